import { addDays, dayOf, mondayOf, startOf } from '../time/zone';

const HOUR_MS = 3_600_000;
const MORNING = 9;
const EVENING = 18;

export type When = 'later' | 'tomorrow' | 'nextWeek';

/** The instants that people mean when they put something off, in the zone: in three hours or so, tomorrow at nine, Monday at nine. */
export function whenOf(which: When, now: number, zone: string): number {
  const today = dayOf(now, zone);
  if (which === 'tomorrow') return startOf(addDays(today, 1), zone) + MORNING * HOUR_MS;
  if (which === 'nextWeek') return startOf(addDays(mondayOf(today), 7), zone) + MORNING * HOUR_MS;
  const rounded = Math.ceil((now + 3 * HOUR_MS) / (HOUR_MS / 2)) * (HOUR_MS / 2);
  const evening = startOf(today, zone) + EVENING * HOUR_MS;
  return rounded > evening && now < evening - HOUR_MS ? evening : rounded;
}
