import { type InfiniteData, infiniteQueryOptions } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api, ok } from '../api/client';
import type { Activity, ActivityPage, ActivityType } from '../api/model';
import { setOrder } from '../leads/order';
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

/** Has the panel of a lead of the feed go on to the next one that the feed names. */
export function useFeedOrder(pages: ActivityPage[] | undefined) {
  useEffect(() => setOrder([...new Set(pages?.flatMap((page) => page.items.map((entry) => entry.lead.id)))]), [pages]);
}

/** Puts an entry that has just come on top of every feed that it belongs to. */
export function addToFeed(entry: Activity) {
  for (const type of ['all', entry.type])
    queryClient.setQueryData<InfiniteData<ActivityPage, string | undefined>>(['activity', type], (data) => {
      const [first, ...rest] = data?.pages ?? [];
      if (!data || !first || data.pages.some((page) => page.items.some((one) => one.id === entry.id))) return data;
      return { ...data, pages: [{ ...first, items: [entry, ...first.items] }, ...rest] };
    });
}
