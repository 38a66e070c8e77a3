import { describe, expect, it } from 'vitest';
import {
  addDays,
  addMonths,
  dayOf,
  daysBetween,
  fromInput,
  instantOf,
  isDay,
  mondayOf,
  sameClock,
  startOf,
  toInput,
  wallClock,
} from './zone';

const at = (text: string) => Date.parse(text);

describe('days in a zone', () => {
  it('begin where the zone says, also half an hour off', () => {
    expect(startOf('2026-11-23', 'Europe/Berlin')).toBe(at('2026-11-22T23:00:00Z'));
    expect(startOf('2026-11-23', 'Asia/Kolkata')).toBe(at('2026-11-22T18:30:00Z'));
    expect(startOf('2026-11-23', 'America/New_York')).toBe(at('2026-11-23T05:00:00Z'));
  });
  it('are 23 and 25 hours long where the clock changes', () => {
    const length = (day: string) =>
      (startOf(addDays(day, 1), 'Europe/Berlin') - startOf(day, 'Europe/Berlin')) / 3_600_000;
    expect(length('2026-03-29')).toBe(23);
    expect(length('2026-10-25')).toBe(25);
    expect(length('2026-10-26')).toBe(24);
  });
  it('are named by the zone, not by this machine', () => {
    expect(dayOf(at('2026-11-23T23:30:00Z'), 'Europe/Berlin')).toBe('2026-11-24');
    expect(dayOf(at('2026-11-23T23:30:00Z'), 'America/Los_Angeles')).toBe('2026-11-23');
  });
});

describe('a wall time', () => {
  it('that the clock skips is taken as much later', () => {
    expect(instantOf(at('2026-03-29T02:30:00Z'), 'Europe/Berlin')).toBe(at('2026-03-29T01:30:00Z'));
  });
  it('that the clock shows twice means the first', () => {
    expect(instantOf(at('2026-10-25T02:30:00Z'), 'Europe/Berlin')).toBe(at('2026-10-25T00:30:00Z'));
  });
  it('goes through an input field and back', () => {
    for (const zone of ['UTC', 'Europe/London', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Apia']) {
      const instant = at('2026-07-04T16:45:00Z');
      expect(fromInput(toInput(instant, zone), zone)).toBe(instant);
      expect(wallClock(instant, zone) % 60_000).toBe(0);
    }
  });
});

describe('the calendar', () => {
  it('begins its weeks on Monday', () => {
    expect(mondayOf('2026-11-23')).toBe('2026-11-23');
    expect(mondayOf('2026-11-29')).toBe('2026-11-23');
    expect(mondayOf('2027-01-01')).toBe('2026-12-28');
  });
  it('adds months from the first, over the end of a year', () => {
    expect(addMonths('2026-11-30', 3)).toBe('2027-02-01');
    expect(addMonths('2026-01-31', -1)).toBe('2025-12-01');
  });
  it('counts days, also over a leap day', () => expect(daysBetween('2028-02-28', '2028-03-01')).toBe(2));
  it('knows a date from a mistake', () => {
    expect(isDay('2026-02-28')).toBe(true);
    for (const wrong of ['2026-02-30', '2026-13-01', '26-01-01', '', 5, undefined]) expect(isDay(wrong)).toBe(false);
  });
});

it('two zones show the same clock in winter and another in summer', () => {
  expect(sameClock('Europe/London', 'UTC', at('2026-01-15T12:00:00Z'))).toBe(true);
  expect(sameClock('Europe/London', 'UTC', at('2026-07-15T12:00:00Z'))).toBe(false);
});
