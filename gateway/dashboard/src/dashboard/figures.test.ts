import { describe, expect, it } from 'vitest';
import { byHour, condense } from './arrivals';
import { everySecond, runningTotal, standingOf, stepsOf } from './figures';
import { isSample, sampleLeads } from './sample';
import { bestSource, greeting } from './story';

it('the running total ends at today’s total and never falls below nought', () => {
  const bySource = { Website: 0, Referral: 0, Ad: 0, Other: 0 };
  const items = [2, 3, 5].map((count, i) => ({ start: `2026-11-2${i}`, count, bySource }));
  expect(runningTotal(20, items)).toEqual([12, 15, 20]);
  expect(runningTotal(4, items)).toEqual([0, 0, 4]);
});
it('eight weeks come from four reports, each of which tells of two', () => {
  expect(everySecond('2026-11-23', 7, 4)).toEqual(['2026-10-12', '2026-10-26', '2026-11-09', '2026-11-23']);
});

describe('when leads arrive', () => {
  it('is counted by the clock of the zone', () => {
    const grid = byHour(['2026-11-23T23:30:00Z', '2026-11-22T08:10:00Z'], 'Europe/Berlin');
    expect(grid[1]?.[0]).toBe(1);
    expect(grid[6]?.[9]).toBe(1);
    expect(grid.flat().reduce((sum, one) => sum + one, 0)).toBe(2);
  });
  it('is drawn in at most eight columns, without losing a lead', () => {
    for (const hours of [[9], [0, 23], [8, 9, 17], [5, 12, 22], []]) {
      const grid = byHour(
        hours.map((hour) => `2026-11-23T${String(hour).padStart(2, '0')}:00:00Z`),
        'UTC',
      );
      const { hours: columns, rows } = condense(grid);
      expect(columns.length).toBeLessThanOrEqual(8);
      expect(columns.length).toBeGreaterThanOrEqual(6);
      expect(rows.flat().reduce((sum, one) => sum + one, 0)).toBe(hours.length);
    }
  });
});

it('one lucky lead does not make a source the best', () => {
  const item = (source: 'Website' | 'Referral', count: number, converted: number) => ({ source, count, converted });
  expect(bestSource([item('Website', 40, 8), item('Referral', 1, 1)])?.source).toBe('Website');
  expect(bestSource([item('Website', 40, 0)])).toBeUndefined();
});
it('greets by the hour', () =>
  expect([4, 9, 14, 20].map(greeting)).toEqual(['hero.evening', 'hero.morning', 'hero.afternoon', 'hero.evening']));
it('sample leads are the same for everybody, marked, and never from the future', () => {
  const now = Date.parse('2026-11-23T06:00:00Z');
  const leads = sampleLeads(now);
  expect(leads).toEqual(sampleLeads(now));
  expect(leads.every((lead) => lead.tags?.includes('sample') && Date.parse(lead.createdAt) < now)).toBe(true);
  expect(new Set(leads.map((lead) => lead.status)).size).toBe(5);
});
it('a lead of somebody’s that has the tag is no sample', () => {
  const [sample] = sampleLeads(0);
  const email = sample?.email ?? null;
  expect(isSample({ email, tags: ['sample'] })).toBe(true);
  expect(isSample({ email: 'ada@redwood.com', tags: ['sample'] })).toBe(false);
  expect(isSample({ email: null, tags: ['sample'] })).toBe(false);
  expect(isSample({ email, tags: [] })).toBe(false);
});

describe('what a chart says of its figures', () => {
  const answer = (data: unknown, more: object = {}) => ({
    data,
    isPlaceholderData: false,
    error: null,
    dataUpdatedAt: 9,
    refetch: () => undefined,
    ...more,
  });
  it('they are awaited while only those of an earlier choice are there', () => {
    expect(standingOf([answer(1), answer(2, { isPlaceholderData: true })])).toMatchObject({
      waiting: true,
      error: null,
    });
    expect(standingOf([answer(undefined)]).waiting).toBe(true);
    expect(standingOf([answer(1), answer(2)]).waiting).toBe(false);
  });
  it('they have failed when one of them can’t be had, and are old when all were had before', () => {
    const error = new Error('no');
    expect(standingOf([answer(1), answer(undefined, { error })])).toMatchObject({ waiting: false, error, at: 0 });
    expect(standingOf([answer(1), answer(2, { error, dataUpdatedAt: 4 })])).toMatchObject({ error, at: 4 });
  });
});

it('the steps of a funnel of counts have the shares that the server would give', () => {
  expect(stepsOf([40, 20, 10, 0])).toEqual([
    { status: 'New', reached: 40, rate: 100, stepRate: null, medianHours: null },
    { status: 'Contacted', reached: 20, rate: 50, stepRate: 50, medianHours: null },
    { status: 'Qualified', reached: 10, rate: 25, stepRate: 50, medianHours: null },
    { status: 'Converted', reached: 0, rate: 0, stepRate: 0, medianHours: null },
  ]);
  expect(stepsOf([0, 0, 0, 0])[1]).toMatchObject({ rate: null, stepRate: null });
});
