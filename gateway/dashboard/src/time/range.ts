import type { Interval } from '../api/model';
import { addDays, addMonths, type Day, daysBetween, firstOf, mondayOf } from './zone';

export interface Range {
  from: Day;
  to: Day;
}

/** What the dashboard shows for each interval: the last 30 days, 16 weeks or 12 months, the present one included. */
export function windowOf(interval: Interval, today: Day): Range {
  if (interval === 'week') return { from: addDays(mondayOf(today), -15 * 7), to: today };
  if (interval === 'month') return { from: addMonths(today, -11), to: today };
  return { from: addDays(today, -29), to: today };
}

/** The whole bucket that the day lies in. */
export function bucketOf(interval: Interval, day: Day): Range {
  if (interval === 'week') return { from: mondayOf(day), to: addDays(mondayOf(day), 6) };
  if (interval === 'month') return { from: firstOf(day), to: addDays(addMonths(day, 1), -1) };
  return { from: day, to: day };
}

/** The first days of all buckets of a range. */
export function bucketsOf(interval: Interval, range: Range): Day[] {
  const days: Day[] = [];
  for (let at = bucketOf(interval, range.from).from; at <= range.to; at = addDays(bucketOf(interval, at).to, 1))
    days.push(at);
  return days;
}

/** As many whole buckets just before the range. */
export function before(interval: Interval, range: Range): Range {
  const count = bucketsOf(interval, range).length;
  const first = bucketOf(interval, range.from).from;
  const from =
    interval === 'day'
      ? addDays(first, -count)
      : interval === 'week'
        ? addDays(first, -7 * count)
        : addMonths(first, -count);
  return { from, to: addDays(first, -1) };
}

/** The interval in which a zoomed range reads best. */
export function intervalFor(range: Range): Interval {
  const days = daysBetween(range.from, range.to) + 1;
  return days <= 45 ? 'day' : days <= 190 ? 'week' : 'month';
}
