import { wallClock } from '../time/zone';

/** Weekday (Monday is 0) and hour of an instant in the zone. */
export function placeOf(time: string, zone: string): [weekday: number, hour: number] {
  const wall = new Date(wallClock(Date.parse(time), zone));
  return [(wall.getUTCDay() + 6) % 7, wall.getUTCHours()];
}

/** Leads by weekday (Monday first) and hour of the day in the zone. */
export function byHour(times: string[], zone: string): number[][] {
  const grid = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => 0));
  for (const time of times) {
    const [weekday, hour] = placeOf(time, zone);
    const row = grid[weekday];
    if (row) row[hour] = (row[hour] ?? 0) + 1;
  }
  return grid;
}

export interface Grid {
  /** The first hours of the columns. */
  hours: number[];
  /** How many hours a column spans. */
  span: number;
  rows: number[][];
  max: number;
  /** Row and column of the most leads. */
  best: [number, number] | null;
}

/** The hours in which leads come at all, in at most eight columns of equal length. */
export function condense(grid: number[][]): Grid {
  const used = Array.from({ length: 24 }, (_, hour) => grid.reduce((sum, row) => sum + (row[hour] ?? 0), 0));
  const first = used.findIndex((count) => count > 0);
  const last = used.findLastIndex((count) => count > 0);
  const from = first < 0 ? 8 : first;
  const to = last < 0 ? 17 : last;
  const span = [1, 2, 3].find((size) => Math.ceil((to - Math.floor(from / size) * size + 1) / size) <= 8) ?? 3;
  const start = Math.floor(from / span) * span;
  const count = Math.max(6, Math.ceil((to - start + 1) / span));
  const begin = Math.max(0, Math.min(start, 24 - count * span));
  const hours = Array.from({ length: Math.min(count, Math.floor((24 - begin) / span)) }, (_, i) => begin + i * span);
  const rows = grid.map((row) =>
    hours.map((hour) => row.slice(hour, hour + span).reduce((sum, value) => sum + value, 0)),
  );
  let best: [number, number] | null = null;
  let max = 0;
  rows.forEach((row, r) =>
    row.forEach((value, c) => {
      if (value > max) {
        max = value;
        best = [r, c];
      }
    }),
  );
  return { hours, span, rows, max, best };
}
