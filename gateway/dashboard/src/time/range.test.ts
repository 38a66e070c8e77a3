import { describe, expect, it } from 'vitest';
import { before, bucketOf, bucketsOf, intervalFor, windowOf } from './range';

describe('the window of an interval', () => {
  it('holds 30 days, 16 weeks, 12 months, the present ones included', () => {
    expect(bucketsOf('day', windowOf('day', '2026-11-23'))).toHaveLength(30);
    expect(bucketsOf('week', windowOf('week', '2026-11-25'))).toHaveLength(16);
    expect(bucketsOf('month', windowOf('month', '2026-11-23'))).toHaveLength(12);
    expect(bucketsOf('month', windowOf('month', '2026-11-23'))[0]).toBe('2025-12-01');
  });
});

describe('the period before', () => {
  it('is as many whole buckets, and ends where the other begins', () => {
    for (const interval of ['day', 'week', 'month'] as const) {
      const window = windowOf(interval, '2026-11-25');
      const past = before(interval, window);
      expect(bucketsOf(interval, past)).toHaveLength(bucketsOf(interval, window).length);
      expect(past.to < window.from).toBe(true);
    }
    expect(before('day', { from: '2026-11-10', to: '2026-11-12' })).toEqual({ from: '2026-11-07', to: '2026-11-09' });
  });
});

it('a bucket is whole: a week from Monday, a month to its last day', () => {
  expect(bucketOf('week', '2026-11-25')).toEqual({ from: '2026-11-23', to: '2026-11-29' });
  expect(bucketOf('month', '2028-02-10')).toEqual({ from: '2028-02-01', to: '2028-02-29' });
});

it('a zoomed range is cut into pieces that can be read', () => {
  expect(intervalFor({ from: '2026-11-01', to: '2026-11-30' })).toBe('day');
  expect(intervalFor({ from: '2026-08-01', to: '2026-11-30' })).toBe('week');
  expect(intervalFor({ from: '2025-01-01', to: '2026-11-30' })).toBe('month');
});
