import { expect, it } from 'vitest';
import type { Me } from '../api/model';
import { queryClient } from '../query';
import { meQuery } from '../shell/me';
import { isNews } from './due';

const reminder = (id: string, who: string, dueAt = '2026-11-23T09:00:00.000Z') => ({
  id,
  assignee: { id: who, name: who },
  dueAt,
});
queryClient.setQueryData<Me>(meQuery.queryKey, { user: { id: 'me' } } as Me);

it('only what is the visitor’s own to do is told', () => {
  expect(isNews(reminder('r1', 'somebody'))).toBe(false);
  expect(isNews(reminder('r2', 'me'))).toBe(true);
});
it('what was told is not told again after a reconnection, but is when it was put off and falls due anew', () => {
  expect(isNews(reminder('r3', 'me'))).toBe(true);
  expect(isNews(reminder('r3', 'me'))).toBe(false);
  expect(isNews(reminder('r3', 'me', '2026-11-24T09:00:00.000Z'))).toBe(true);
});
