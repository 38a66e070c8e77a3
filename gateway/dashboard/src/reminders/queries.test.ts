import { beforeEach, expect, it } from 'vitest';
import type { DashboardData, Reminder } from '../api/model';
import { queryClient } from '../query';
import { overdueCountQuery, remindersQuery, seedOwn } from './queries';

const of = (who: string, id: string) => ({ id, assignee: { id: who, name: who } }) as Reminder;
const list = (items: Reminder[], nextCursor: string | null = null) => ({
  items,
  nextCursor,
  total: { value: items.length, relation: 'eq' as const },
});
const own = (which: 'overdue' | 'today') =>
  queryClient
    .getQueryData(remindersQuery(which, 'me').queryKey)
    ?.pages.map((page) => [page.items.map((one) => one.id), page.total.value]);

beforeEach(() => queryClient.clear());

it('of everybody’s reminders the visitor’s own are taken, with their count', () => {
  seedOwn(
    { overdue: list([of('me', 'a'), of('her', 'b')]), today: list([of('her', 'c')]) } as DashboardData['reminders'],
    'me',
  );
  expect(own('overdue')).toEqual([[['a'], 1]]);
  expect(own('today')).toEqual([[[], 0]]);
  expect(queryClient.getQueryData(overdueCountQuery.queryKey)?.value).toBe(1);
});
it('a list that is only the first of more says nothing of the visitor’s own', () => {
  seedOwn({ overdue: list([of('me', 'a')], 'next'), today: list([]) } as DashboardData['reminders'], 'me');
  expect(own('overdue')).toBeUndefined();
  expect(queryClient.getQueryData(overdueCountQuery.queryKey)).toBeUndefined();
});
it('what is known already is not written over', () => {
  const { queryKey } = remindersQuery('today', 'me');
  queryClient.setQueryData(queryKey, { pages: [list([of('me', 'new')])], pageParams: [undefined] });
  seedOwn({ overdue: list([]), today: list([of('me', 'old')]) } as DashboardData['reminders'], 'me');
  expect(own('today')).toEqual([[['new'], 1]]);
});
