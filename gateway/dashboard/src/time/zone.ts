/** A civil date, `2026-11-23`: a day on a calendar, without a time or a zone. */
export type Day = string;

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function parts(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, format);
  }
  return format;
}

/** What a clock on the wall of the zone shows at the instant, as if it were UTC. */
export function wallClock(instant: number, zone: string): number {
  const at: Record<string, number> = {};
  for (const { type, value } of parts(zone).formatToParts(instant)) at[type] = Number(value);
  return Date.UTC(at['year'] ?? 0, (at['month'] ?? 1) - 1, at['day'], at['hour'], at['minute'], at['second']);
}

/**
 * The instant at which a clock in the zone shows this wall time. A time that the clock skips is taken as much later
 * as was skipped; of a time that it shows twice, the first is meant.
 */
export function instantOf(wall: number, zone: string): number {
  const offset = (instant: number) => wallClock(instant, zone) - Math.floor(instant / 1000) * 1000;
  const before = offset(wall - DAY_MS);
  const after = offset(wall + DAY_MS);
  for (const one of [Math.max(before, after), Math.min(before, after)]) {
    if (offset(wall - one) === one) return wall - one;
  }
  return wall - before;
}

const utc = (day: Day) => Date.parse(`${day}T00:00:00Z`);
const text = (ms: number): Day => new Date(ms).toISOString().slice(0, 10);

/** The day that the zone has at the instant. */
export const dayOf = (instant: number, zone: string): Day => text(wallClock(instant, zone));
/** The instant at which the day begins in the zone. */
export const startOf = (day: Day, zone: string): number => instantOf(utc(day), zone);
/** The day so many days later (earlier, if negative). */
export const addDays = (day: Day, days: number): Day => text(utc(day) + days * DAY_MS);
/** How many days lie from the first to the second. */
export const daysBetween = (from: Day, to: Day): number => Math.round((utc(to) - utc(from)) / DAY_MS);
/** The Monday of the day's week. */
export const mondayOf = (day: Day): Day => addDays(day, -((new Date(utc(day)).getUTCDay() + 6) % 7));
/** The first of the day's month. */
export const firstOf = (day: Day): Day => `${day.slice(0, 7)}-01`;
/** The first of the month so many months later. */
export function addMonths(day: Day, months: number): Day {
  const date = new Date(utc(firstOf(day)));
  date.setUTCMonth(date.getUTCMonth() + months);
  return text(date.getTime());
}
/** The day as an instant for formatting in UTC. */
export const asUtc = utc;
/** Whether the text is a civil date. */
export const isDay = (value: unknown): value is Day =>
  typeof value === 'string' &&
  /^\d{4}-\d{2}-\d{2}$/.test(value) &&
  !Number.isNaN(utc(value)) &&
  text(utc(value)) === value;

/** What an `<input type="datetime-local">` shows for the instant in the zone, and back. */
export const toInput = (instant: number, zone: string) => new Date(wallClock(instant, zone)).toISOString().slice(0, 16);
export const fromInput = (value: string, zone: string): number => instantOf(Date.parse(`${value}:00Z`), zone);

/** Whether the two zones' clocks show the same at the instant. */
export const sameClock = (a: string, b: string, instant: number) => wallClock(instant, a) === wallClock(instant, b);

/** The zone of this device. */
export const deviceZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
