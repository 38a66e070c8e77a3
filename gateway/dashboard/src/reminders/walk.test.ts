import { expect, it } from 'vitest';
import type { Reminder, ReminderPage } from '../api/model';
import { beyond, waitingIn } from './walk';

const one = (id: string, more: Partial<Reminder> = {}) =>
  ({ id, status: 'pending', dueAt: '2026-11-23T09:00:00Z', ...more }) as Reminder;
const list = (items: Reminder[], total = items.length, nextCursor: string | null = null) => ({
  pages: [{ items, nextCursor, total: { value: total, relation: 'eq' } } as ReminderPage],
  pageParams: [undefined],
});
const ids = (all: Reminder[]) => all.map((each) => each.id);
const NONE = new Set<string>();

it('each waits once, also when it stands in two lists; what is done or was passed over does not', () => {
  const lists = [list([one('a'), one('b')]), list([one('b'), one('c', { status: 'done' }), one('d')])];
  expect(ids(waitingIn(lists, NONE, new Map()))).toEqual(['a', 'b', 'd']);
  expect(ids(waitingIn(lists, new Set(['a']), new Map()))).toEqual(['b', 'd']);
});
it('what was put off to later today does not wait; it does again when that is undone', () => {
  const putOff = new Map([['a', '2026-11-23T09:00:00Z']]);
  expect(ids(waitingIn([list([one('a', { dueAt: '2026-11-23T15:00:00Z' }), one('b')])], NONE, putOff))).toEqual(['b']);
  expect(ids(waitingIn([list([one('a'), one('b')])], NONE, putOff))).toEqual(['a', 'b']);
});
it('what is not loaded is counted, and nothing when all is', () => {
  expect(beyond(list([one('a')], 61, 'next'))).toBe(60);
  // Some were done since the total was counted.
  expect(beyond(list([one('a')], 4))).toBe(0);
  expect(beyond(undefined)).toBe(0);
});
