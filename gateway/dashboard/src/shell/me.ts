import { queryOptions, useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Member, Me } from '../api/model';
import { queryClient } from '../query';

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => ok(api.GET('/api/v1/auth/me', { signal })),
  staleTime: 5 * 60_000,
});

export const membersQuery = queryOptions({
  queryKey: ['members'],
  queryFn: async ({ signal }) => (await ok(api.GET('/api/v1/workspace/members', { signal }))).items,
  staleTime: 60_000,
});

/** The visitor; the shell shows its children only when they are known. */
export function useMe(): Me {
  return useSuspenseQuery(meQuery).data;
}
export const knownMe = () => queryClient.getQueryData<Me>(meQuery.queryKey);
/** The zone in which days are meant: the workspace's. */
export const useZone = () => useMe().workspace.timezone;
export const useCanWrite = () => useMe().role !== 'viewer';
export const useCanManage = () => ['owner', 'admin'].includes(useMe().role);
const NOBODY: Member[] = [];
export const useMembers = (): Member[] => useQuery(membersQuery).data ?? NOBODY;
