import { type InfiniteData, infiniteQueryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Activity, ActivityPage, ActivityType } from '../api/model';
import { queryClient } from '../query';

export const feedQuery = (type?: ActivityType) =>
  infiniteQueryOptions({
    queryKey: ['activity', type ?? 'all'] as const,
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET('/api/v1/activity', {
          params: { query: { limit: 40, cursor: pageParam, type: type ? [type] : undefined } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });

/** Puts an entry that has just come on top of every feed that it belongs to. */
export function addToFeed(entry: Activity) {
  for (const type of ['all', entry.type])
    queryClient.setQueryData<InfiniteData<ActivityPage, string | undefined>>(['activity', type], (data) => {
      const [first, ...rest] = data?.pages ?? [];
      if (!data || !first || data.pages.some((page) => page.items.some((one) => one.id === entry.id))) return data;
      return { ...data, pages: [{ ...first, items: [entry, ...first.items] }, ...rest] };
    });
}
