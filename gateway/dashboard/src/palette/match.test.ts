import { expect, it } from 'vitest';
import { matches } from './match';

it('each typed word begins a word of the command; accents and case don’t matter', () => {
  expect(matches('Überfällige Termine', 'ub ter')).toBe(true);
  expect(matches('Switch to the dark theme', 'dark')).toBe(true);
  expect(matches('Switch to the dark theme', 'ark')).toBe(false);
  expect(matches('Anything', '')).toBe(true);
});
