import { language } from '../words';
import { asUtc, type Day, dayOf, daysBetween, wallClock } from './zone';

const cache = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>();
function cached<T extends Intl.DateTimeFormat | Intl.NumberFormat | Intl.RelativeTimeFormat>(
  key: string,
  make: (locale: string) => T,
): T {
  const full = `${language()} ${key}`;
  let format = cache.get(full) as T | undefined;
  if (!format) cache.set(full, (format = make(locale())));
  return format;
}

/** The locale of dates and numbers: the visitor's own variety of the language, if they have one. */
function locale(): string {
  const wanted = typeof navigator === 'undefined' ? [] : navigator.languages;
  return wanted.find((one) => one.toLowerCase().startsWith(language())) ?? (language() === 'en' ? 'en-GB' : language());
}

export const num = (value: number) => cached('n', (l) => new Intl.NumberFormat(l)).format(value);
/** A percentage that the server gives in per cent (`23.4`). */
export const percent = (value: number | null, digits: 0 | 1 = 0) =>
  value === null
    ? '–'
    : cached(`p${digits}`, (l) => new Intl.NumberFormat(l, { style: 'percent', maximumFractionDigits: digits })).format(
        value / 100,
      );
/** A part of a whole. */
export const share = (part: number, whole: number, digits: 0 | 1 = 0) =>
  percent(whole ? (part / whole) * 100 : 0, digits);

/** An instant in a zone. */
export const date = (instant: number | string, options: Intl.DateTimeFormatOptions, zone: string) =>
  cached(
    `d${zone}${JSON.stringify(options)}`,
    (l) => new Intl.DateTimeFormat(l, { ...options, timeZone: zone }),
  ).format(typeof instant === 'string' ? Date.parse(instant) : instant);
/** A civil date. */
export const day = (value: Day, options: Intl.DateTimeFormatOptions) => date(asUtc(value), options, 'UTC');
/** Two civil dates as one range. */
export const days = (from: Day, to: Day, options: Intl.DateTimeFormatOptions) =>
  cached(`r${JSON.stringify(options)}`, (l) => new Intl.DateTimeFormat(l, { ...options, timeZone: 'UTC' })).formatRange(
    asUtc(from),
    asUtc(to),
  );
export const time = (instant: number | string, zone: string) =>
  date(instant, { hour: '2-digit', minute: '2-digit' }, zone);

const relative = (value: number, unit: Intl.RelativeTimeFormatUnit, style: 'narrow' | 'long') =>
  // German's narrow form is too narrow: “vor 13 m”.
  cached(
    `a${style}`,
    (l) =>
      new Intl.RelativeTimeFormat(l, {
        numeric: 'auto',
        style: style === 'narrow' && l.startsWith('de') ? 'short' : style,
      }),
  ).format(value, unit);

/** How long ago, or in how long, in the largest unit that says enough. */
export function ago(instant: number | string, now: number, style: 'narrow' | 'long' = 'narrow'): string {
  const minutes = Math.round(((typeof instant === 'string' ? Date.parse(instant) : instant) - now) / 60_000);
  const size = Math.abs(minutes);
  if (size < 1) return relative(0, 'second', style);
  if (size < 60) return relative(minutes, 'minute', style);
  if (size < 1440) return relative(Math.round(minutes / 60), 'hour', style);
  if (size < 1440 * 60) return relative(Math.round(minutes / 1440), 'day', style);
  if (size < 1440 * 700) return relative(Math.round(minutes / (1440 * 30.44)), 'month', style);
  return relative(Math.round(minutes / (1440 * 365.25)), 'year', style);
}

/** How long ago something was, where there is room for two or three letters: 15h, 4d. */
export function age(instant: string, now: number): string {
  const minutes = Math.max(0, Math.round((now - Date.parse(instant)) / 60_000));
  const [value, unit] =
    minutes < 60
      ? [minutes, 'minute']
      : minutes < 1440
        ? [Math.round(minutes / 60), 'hour']
        : minutes < 1440 * 60
          ? [Math.round(minutes / 1440), 'day']
          : [Math.round(minutes / (1440 * 30.44)), 'month'];
  return cached(
    `u${unit}`,
    // A narrow month is an m, as a minute is.
    (l) => new Intl.NumberFormat(l, { style: 'unit', unit, unitDisplay: unit === 'month' ? 'short' : 'narrow' }),
  ).format(value);
}

/** When something is due: the time today, the weekday within a week, else the date. */
export function due(instant: string, now: number, zone: string, short = false): string {
  const at = Date.parse(instant);
  const distance = daysBetween(dayOf(now, zone), dayOf(at, zone));
  if (distance === 0) return time(at, zone);
  if (distance === 1) return short ? relative(1, 'day', 'long') : `${relative(1, 'day', 'long')}, ${time(at, zone)}`;
  if (distance > 1 && distance < 7) return date(at, { weekday: 'short', hour: '2-digit', minute: '2-digit' }, zone);
  const year = new Date(wallClock(at, zone)).getUTCFullYear() === new Date(wallClock(now, zone)).getUTCFullYear();
  return date(
    at,
    {
      day: 'numeric',
      month: 'short',
      ...(year ? {} : { year: 'numeric' }),
      ...(distance < 0 || short ? {} : { hour: '2-digit', minute: '2-digit' }),
    },
    zone,
  );
}

/** Hours as the funnel shows them: minutes, hours or days. */
export function duration(hours: number): string {
  const unit = (value: number, name: string, digits = 0) =>
    cached(
      `u${name}${digits}`,
      (l) =>
        new Intl.NumberFormat(l, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits }),
    ).format(value);
  if (hours < 1) return unit(Math.max(1, Math.round(hours * 60)), 'minute');
  if (hours < 48) return unit(hours, 'hour', hours < 10 ? 1 : 0);
  return unit(hours / 24, 'day', hours < 240 ? 1 : 0);
}

export const initials = (name: string) =>
  name
    .trim()
    .split(/\s+/)
    .map((word) => [...word][0] ?? '')
    .filter((_, i, all) => i === 0 || i === all.length - 1)
    .join('')
    .toUpperCase();
