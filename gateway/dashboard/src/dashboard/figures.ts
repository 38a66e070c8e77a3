import { useQueries, useQuery } from '@tanstack/react-query';
import { type Created, type DashboardData, SOURCES, STATUSES } from '../api/model';
import type { LeadFilter } from '../leads/filter';
import { countQuery } from '../leads/queries';
import { before, bucketOf, bucketsOf, type Range } from '../time/range';
import { addDays } from '../time/zone';
import { bySourceQuery, byStatusQuery, createdQuery, funnelQuery } from './queries';
import type { View } from './view';

// A click on a segment filters the other charts. The figures know creation dates; where a stage or a source must be
// combined with something that they don't know, the list's exact counts are asked for instead.

/** Several counts at once; undefined until all have come: until then the charts show what they showed. */
function useCounts(filters: LeadFilter[], zone: string): number[] | undefined {
  const answers = useQueries({ queries: filters.map((filter) => countQuery(filter, zone)) });
  const values = answers.map((answer) => answer.data?.value);
  return values.every((value) => value !== undefined) ? (values as number[]) : undefined;
}
const NONE: LeadFilter[] = [];

export function useByStatus(view: View, data: DashboardData) {
  const { source } = view.search;
  const zoomed = useQuery({ ...byStatusQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined && !source });
  const base: LeadFilter = { ...view.filter };
  const counts = useCounts(source ? STATUSES.map((status) => ({ ...base, status: [status] })) : NONE, view.zone);
  if (source && counts) return STATUSES.map((status, i) => ({ status, count: counts[i] ?? 0 }));
  return (view.zoom ? zoomed.data : data.byStatus.items) ?? data.byStatus.items;
}

export function useBySource(view: View, data: DashboardData) {
  const { status } = view.search;
  const zoomed = useQuery({ ...bySourceQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined && !status });
  const counts = useCounts(status ? SOURCES.map((source) => ({ ...view.filter, source: [source] })) : NONE, view.zone);
  if (status && counts) return SOURCES.map((source, i) => ({ source, count: counts[i] ?? 0, converted: null }));
  const items: { source: (typeof SOURCES)[number]; count: number; converted: number | null }[] =
    (view.zoom ? zoomed.data : data.bySource.items) ?? data.bySource.items;
  return items;
}

export function useFunnel(view: View, data: DashboardData) {
  const zoomed = useQuery({ ...funnelQuery(view.zoom ?? view.window), enabled: view.zoom !== undefined });
  return (view.zoom ? zoomed.data : data.funnel.items) ?? data.funnel.items;
}

export interface Bucket {
  range: Range;
  value: number;
  before: number | undefined;
  bySource: Created['items'][number]['bySource'] | undefined;
}

/** Leads created, bucket by bucket, as far as the stage and source that are chosen let through. */
export function useCreated(view: View, data: DashboardData): Bucket[] {
  const { status, source, alone } = view.search;
  const shifted = before(view.step, view.window);
  const zoomed = useQuery({ ...createdQuery(view.step, view.window), enabled: view.zoom !== undefined });
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
  const counts = useCounts(
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
  const items = (view.zoom ? zoomed.data : data.created.items) ?? [];
  const of = (bucket: Created['items'][number] | undefined) =>
    bucket ? (source ? bucket.bySource[source] : bucket.count) : 0;
  const byStart = new Map(items.map((item) => [item.start, item]));
  return ranges.map((range, i) => {
    const item = byStart.get(starts[i] ?? '') ?? byStart.get(range.from);
    return {
      range,
      value: status && counts ? (counts[i] ?? 0) : of(item),
      before: alone || status || !past.data ? undefined : of(past.data[i]),
      bySource: status ? undefined : item?.bySource,
    };
  });
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
