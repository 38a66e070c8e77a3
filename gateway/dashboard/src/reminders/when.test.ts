import { expect, it } from 'vitest';
import { whenOf } from './when';

const at = (text: string) => Date.parse(text);

it('later today is in three hours or so, at the latest in the evening, on a half hour', () => {
  expect(whenOf('later', at('2026-11-23T09:07:00Z'), 'UTC')).toBe(at('2026-11-23T12:30:00Z'));
  expect(whenOf('later', at('2026-11-23T15:40:00Z'), 'UTC')).toBe(at('2026-11-23T18:00:00Z'));
  expect(whenOf('later', at('2026-11-23T20:00:00Z'), 'UTC')).toBe(at('2026-11-23T23:00:00Z'));
});
it('later today is never tomorrow', () => {
  expect(whenOf('later', at('2026-11-23T20:31:00Z'), 'UTC')).toBe(at('2026-11-23T23:30:00Z'));
  expect(whenOf('later', at('2026-11-23T22:59:00Z'), 'UTC')).toBe(at('2026-11-23T23:30:00Z'));
  expect(whenOf('later', at('2026-11-23T23:10:00Z'), 'UTC')).toBe(at('2026-11-23T23:59:00Z'));
  // The day that the zone has, not this machine's.
  expect(whenOf('later', at('2026-11-24T04:00:00Z'), 'America/New_York')).toBe(at('2026-11-24T04:30:00Z'));
});
it('tomorrow and next week are at nine by the clock of the zone, also when the clock changes', () => {
  expect(whenOf('tomorrow', at('2026-10-24T12:00:00Z'), 'Europe/Berlin')).toBe(at('2026-10-25T08:00:00Z'));
  expect(whenOf('nextWeek', at('2026-11-23T12:00:00Z'), 'America/New_York')).toBe(at('2026-11-30T14:00:00Z'));
});
