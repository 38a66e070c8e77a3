import { addDays, asUtc, type Day, dayOf, instantOf, mondayOf } from '../time/zone';

const HOUR_MS = 3_600_000;
const MORNING = 9;
const EVENING = 18;

/** When a clock in the zone shows this hour on this day, also on a day that is longer or shorter. */
const clock = (day: Day, hour: number, zone: string) => instantOf(asUtc(day) + hour * HOUR_MS, zone);

export type When = 'later' | 'tomorrow' | 'nextWeek';

/**
 * The instants that people mean when they put something off, in the zone: in three hours or so but today, tomorrow at nine,
 * Monday at nine.
 */
export function whenOf(which: When, now: number, zone: string): number {
  const today = dayOf(now, zone);
  if (which === 'tomorrow') return clock(addDays(today, 1), MORNING, zone);
  if (which === 'nextWeek') return clock(addDays(mondayOf(today), 7), MORNING, zone);
  const rounded = Math.ceil((now + 3 * HOUR_MS) / (HOUR_MS / 2)) * (HOUR_MS / 2);
  const evening = clock(today, EVENING, zone);
  if (rounded > evening && now < evening - HOUR_MS) return evening;
  const midnight = clock(addDays(today, 1), 0, zone);
  if (rounded < midnight) return rounded;
  // Late in the evening less is left of the day: its last half hour, or its last minute.
  return now <= midnight - HOUR_MS ? midnight - HOUR_MS / 2 : midnight - 60_000;
}
