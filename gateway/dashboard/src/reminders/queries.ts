import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { DashboardData } from '../api/model';
import { queryClient } from '../query';
import { present, presentPage } from '../undo/gone';

export type List = 'overdue' | 'today' | 'upcoming' | 'done';

const query = (list: List) =>
  list === 'done'
    ? { view: 'all' as const, status: 'done' as const }
    : { view: list, ...(list === 'upcoming' ? { status: 'pending' as const } : {}) };

/** A list of reminders, oldest due first. `assignee`: a member's id, `me`, or nothing for everybody's. */
export const remindersQuery = (list: List, assignee?: string) =>
  infiniteQueryOptions({
    queryKey: ['reminders', list, assignee ?? 'all'] as const,
    queryFn: async ({ pageParam, signal }) =>
      presentPage(
        await ok(
          api.GET('/api/v1/reminders', {
            params: { query: { ...query(list), assignee, limit: 50, cursor: pageParam } },
            signal,
          }),
        ),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** How many of the visitor's own are overdue: for the bell. */
export const overdueCountQuery = queryOptions({
  queryKey: ['reminders', 'overdueCount'],
  queryFn: async ({ signal }) =>
    (
      await ok(
        api.GET('/api/v1/reminders', { params: { query: { view: 'overdue', assignee: 'me', limit: 1 } }, signal }),
      )
    ).total,
  // Time alone makes reminders overdue.
  refetchInterval: 60_000,
});

/**
 * Takes the visitor's own reminders from the dashboard's answer, which has everybody's: if it has all of them, nothing need be
 * asked for before today's work is shown.
 */
export function seedOwn(lists: DashboardData['reminders'], me: string) {
  for (const list of ['overdue', 'today'] as const) {
    const page = lists[list];
    const { queryKey } = remindersQuery(list, 'me');
    if (page.nextCursor || queryClient.getQueryData(queryKey)) continue;
    const items = page.items.filter((one) => one.assignee.id === me);
    const total = { ...page.total, value: items.length };
    queryClient.setQueryData(queryKey, { pages: [{ ...page, items, total }], pageParams: [undefined] });
    if (list === 'overdue') queryClient.setQueryData(overdueCountQuery.queryKey, total);
  }
}

export const leadRemindersQuery = (leadId: string) =>
  queryOptions({
    queryKey: ['reminders', 'lead', leadId],
    queryFn: async ({ signal }) =>
      present(
        (
          await ok(
            api.GET('/api/v1/reminders', {
              params: { query: { view: 'all', leadId, status: 'pending', limit: 50 } },
              signal,
            }),
          )
        ).items,
      ),
  });
