import { useQueries, useQuery } from '@tanstack/react-query';
import { type Created, type DashboardData, REACHABLE, SOURCES, STATUSES } from '../api/model';
import type { LeadFilter } from '../leads/filter';
import { countQuery } from '../leads/queries';
import { before, bucketOf, bucketsOf, type Range } from '../time/range';
import { addDays } from '../time/zone';
import { bySourceQuery, byStatusQuery, createdQuery, funnelQuery } from './queries';
import type { View } from './view';

// A click on a segment filters the other charts. The figures know creation dates; where a stage or a source must be
// combined with something that they don't know, the list's exact counts are asked for instead.

/** How what a chart shows stands to what its title says. */
export interface Standing {
  /** The figures are still those of another choice: those of this one are on their way. */
  waiting: boolean;
  /** Why there are no figures, or none newer than those of `at`. */
  error: unknown;
  /** When the figures that are shown were read; 0: none of this choice ever were. */
  at: number;
  /** Some counts ended at the most that is counted. */
  capped: boolean;
  retry: () => void;
}

/** What is asked of an answer to a query. */
interface Answer<T> {
  data: T | undefined;
  isPlaceholderData: boolean;
  error: unknown;
  dataUpdatedAt: number;
  refetch: () => unknown;
}

/** How several answers stand that make one picture. */
export function standingOf(answers: Answer<unknown>[], capped = false): Standing {
  const own = answers.filter((answer) => answer.data !== undefined && !answer.isPlaceholderData);
  const error = answers.find((answer) => answer.error)?.error ?? null;
  return {
    waiting: error === null && own.length < answers.length,
    error,
    at: own.length < answers.length ? 0 : Math.min(...own.map((answer) => answer.dataUpdatedAt)),
    capped,
    retry: () => {
      for (const answer of answers) if (answer.error) void answer.refetch();
    },
  };
}
/** The page's own figures: the filter bar says how old they are. */
const GIVEN: Standing = { waiting: false, error: null, at: 0, capped: false, retry: () => undefined };

/** What a chart shows, and how it stands. `items` are of an earlier choice while `standing` says so. */
export interface Shown<T> {
  items: T;
  standing: Standing;
}

/** Several counts at once; undefined until all have come. */
function useCounts(filters: LeadFilter[], zone: string): { counts: number[] | undefined; standing: Standing } {
  const answers = useQueries({ queries: filters.map((filter) => countQuery(filter, zone)) });
  const values = answers.map((answer) => answer.data?.value);
  return {
    counts: values.every((value) => value !== undefined) ? (values as number[]) : undefined,
    standing: standingOf(
      answers,
      answers.some((answer) => answer.data?.relation === 'gte'),
    ),
  };
}
const NONE: LeadFilter[] = [];

export function useByStatus(view: View, data: DashboardData): Shown<DashboardData['byStatus']['items']> {
  const { source } = view.search;
  const zoomed = useQuery({ ...byStatusQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined && !source });
  const base: LeadFilter = { ...view.filter };
  const { counts, standing } = useCounts(
    source ? STATUSES.map((status) => ({ ...base, status: [status] })) : NONE,
    view.zone,
  );
  if (source)
    return {
      items: counts ? STATUSES.map((status, i) => ({ status, count: counts[i] ?? 0 })) : data.byStatus.items,
      standing,
    };
  if (view.zoom) return { items: zoomed.data ?? data.byStatus.items, standing: standingOf([zoomed]) };
  return { items: data.byStatus.items, standing: GIVEN };
}

type BySource = { source: (typeof SOURCES)[number]; count: number; converted: number | null }[];
export function useBySource(view: View, data: DashboardData): Shown<BySource> {
  const { status } = view.search;
  const zoomed = useQuery({ ...bySourceQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined && !status });
  const { counts, standing } = useCounts(
    status ? SOURCES.map((source) => ({ ...view.filter, source: [source] })) : NONE,
    view.zone,
  );
  if (status)
    return {
      items: counts
        ? SOURCES.map((source, i) => ({ source, count: counts[i] ?? 0, converted: null }))
        : data.bySource.items,
      standing,
    };
  if (view.zoom) return { items: zoomed.data ?? data.bySource.items, standing: standingOf([zoomed]) };
  return { items: data.bySource.items, standing: GIVEN };
}

type Steps = DashboardData['funnel']['items'];
/** The steps of a funnel by how many leads ever reached each; how long it took the list does not tell. */
export function stepsOf(reached: number[]): Steps {
  const rate = (part: number, whole: number | undefined) => (whole ? (part / whole) * 100 : null);
  return REACHABLE.map((status, i) => ({
    status,
    reached: reached[i] ?? 0,
    rate: rate(reached[i] ?? 0, reached[0]),
    stepRate: i === 0 ? null : rate(reached[i] ?? 0, reached[i - 1]),
    medianHours: null,
  }));
}

export function useFunnel(view: View, data: DashboardData): Shown<Steps> {
  const { status, source } = view.search;
  const chosen = status !== undefined || source !== undefined;
  const zoomed = useQuery({ ...funnelQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined && !chosen });
  const { counts, standing } = useCounts(
    chosen ? REACHABLE.map((stage) => ({ ...view.filter, reached: [stage] })) : NONE,
    view.zone,
  );
  if (chosen) return { items: counts ? stepsOf(counts) : data.funnel.items, standing };
  if (view.zoom) return { items: zoomed.data ?? data.funnel.items, standing: standingOf([zoomed]) };
  return { items: data.funnel.items, standing: GIVEN };
}

export interface Bucket {
  range: Range;
  value: number;
  before: number | undefined;
  bySource: Created['items'][number]['bySource'] | undefined;
}

/**
 * Leads created, bucket by bucket, as far as the stage and source that are chosen let through.
 * `settling`: the page's figures are still those of another interval.
 */
export function useCreated(view: View, data: DashboardData, settling: boolean): Shown<Bucket[]> {
  const { status, source, alone } = view.search;
  const shifted = before(view.step, view.window);
  const zoomed = useQuery({
    ...createdQuery(view.step, view.window),
    enabled: view.zoom !== undefined && !status,
  });
  const past = useQuery({ ...createdQuery(view.step, shifted), enabled: !alone && !status });
  const starts = bucketsOf(view.step, view.window);
  const ranges = starts.map((start) => {
    const whole = bucketOf(view.step, start);
    // A zoom may begin or end within a bucket.
    return {
      from: whole.from < view.window.from ? view.window.from : whole.from,
      to: whole.to > view.window.to ? view.window.to : whole.to,
    };
  });
  const { counts, standing } = useCounts(
    status
      ? ranges.map((range) => ({
          status: [status],
          ...(source ? { source: [source] } : {}),
          createdFrom: range.from,
          createdTo: range.to,
        }))
      : NONE,
    view.zone,
  );
  // Until the days that were zoomed into have come, what is known of them is shown; figures of other days have no place here.
  const known = view.step === view.interval && !settling ? data.created.items : [];
  const items = view.zoom ? ((zoomed.isPlaceholderData ? undefined : zoomed.data) ?? known) : known;
  const of = (bucket: Created['items'][number] | undefined) =>
    bucket ? (source ? bucket.bySource[source] : bucket.count) : 0;
  const byStart = new Map(items.map((item) => [item.start, item]));
  const compared = past.isPlaceholderData ? undefined : past.data;
  return {
    items: ranges.map((range, i) => {
      const item = byStart.get(starts[i] ?? '') ?? byStart.get(range.from);
      return {
        range,
        value: status ? (counts?.[i] ?? 0) : of(item),
        before: alone || status || !compared ? undefined : of(compared[i]),
        bySource: status ? undefined : item?.bySource,
      };
    }),
    standing: status ? standing : view.zoom ? standingOf([zoomed]) : { ...GIVEN, waiting: settling },
  };
}

/** Leads of the window, all told, for the growth of the total. */
export const createdIn = (items: Created['items']) => items.reduce((sum, item) => sum + item.count, 0);

/** The running total at the end of each bucket, from today's total backwards. */
export function runningTotal(total: number, items: Created['items']): number[] {
  let at = total;
  return items
    .toReversed()
    .map((item) => {
      const here = at;
      at = Math.max(0, at - item.count);
      return here;
    })
    .toReversed();
}

/** The last days of so many weeks or months, newest last: each report tells of two. */
export const everySecond = (today: string, step: number, count: number) =>
  Array.from({ length: count }, (_, i) => addDays(today, -step * 2 * (count - 1 - i)));
