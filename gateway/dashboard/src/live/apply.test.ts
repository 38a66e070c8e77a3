import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { importQuery } from '../import/queries';
import { keys } from '../leads/queries';
import { queryClient } from '../query';
import { applyLive } from './apply';

const lists = [...keys.lists, 'of a filter'];
const feed = ['activity', 'all'];
const stale = () => [lists, feed, keys.lead('l')].map((key) => queryClient.getQueryState(key)?.isInvalidated);

beforeEach(() => {
  vi.useFakeTimers();
  queryClient.clear();
  for (const key of [lists, feed, keys.lead('l')]) queryClient.setQueryData(key, {});
});
afterEach(() => {
  vi.runAllTimers();
  vi.useRealTimers();
});

it('the leads of an import are read with its progress, and once more when it is over', () => {
  const went = { id: 'i', state: 'running', rows: 10, dryRun: false };
  applyLive({ type: 'import', data: went });
  vi.advanceTimersByTime(5_000);
  expect(stale()).toEqual([true, false, false]);
  queryClient.setQueryData(lists, {});
  applyLive({ type: 'import', data: { ...went, state: 'done' } });
  vi.advanceTimersByTime(5_000);
  expect(stale()).toEqual([true, true, true]);
  expect(queryClient.getQueryData(importQuery('i').queryKey)?.state).toBe('done');
});

it('a preview changes nothing', () => {
  applyLive({ type: 'import', data: { id: 'i', state: 'done', rows: 10, dryRun: true } });
  vi.advanceTimersByTime(5_000);
  expect(stale()).toEqual([false, false, false]);
});
