import { expect, it } from 'vitest';
import { idAt } from './live';

it('a time becomes the id that an event of it would have', () => {
  expect(idAt(Date.UTC(2026, 10, 23, 9, 30))).toBe('01a207bd-a9c0-7000-8000-000000000000');
  expect(idAt(0)).toBe('00000000-0000-7000-8000-000000000000');
});
