import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Interval } from '../api/model';
import { feedQuery } from '../activity/feed';
import { queryClient } from '../query';
import type { Range } from '../time/range';

// All figures live under `figures`: one event of the stream has them all read again.
const FRESH_MS = 60_000;

export const summaryQuery = queryOptions({
  queryKey: ['figures', 'summary'],
  queryFn: ({ signal }) => ok(api.GET('/api/v1/analytics/summary', { signal })),
  staleTime: FRESH_MS,
});

/** All that the first paint needs, in one answer. */
export const dashboardQuery = (interval: Interval) =>
  queryOptions({
    queryKey: ['figures', 'dashboard', interval],
    queryFn: async ({ signal }) => {
      const data = await ok(api.GET('/api/v1/analytics/dashboard', { params: { query: { interval } }, signal }));
      queryClient.setQueryData(summaryQuery.queryKey, data.summary);
      // The feed begins with what came along; a feed that is there already knows more.
      const feed = feedQuery().queryKey;
      if (!queryClient.getQueryData(feed))
        queryClient.setQueryData(feed, { pages: [data.activity], pageParams: [undefined] });
      return data;
    },
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

export const createdQuery = (interval: Interval, range: Range) =>
  queryOptions({
    queryKey: ['figures', 'created', interval, range.from, range.to],
    queryFn: async ({ signal }) =>
      (await ok(api.GET('/api/v1/analytics/created', { params: { query: { interval, ...range } }, signal }))).items,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

export const byStatusQuery = (range: Range) =>
  queryOptions({
    queryKey: ['figures', 'byStatus', range.from, range.to],
    queryFn: async ({ signal }) =>
      (await ok(api.GET('/api/v1/analytics/by-status', { params: { query: { ...range } }, signal }))).items,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

export const bySourceQuery = (range: Range) =>
  queryOptions({
    queryKey: ['figures', 'bySource', range.from, range.to],
    queryFn: async ({ signal }) =>
      (await ok(api.GET('/api/v1/analytics/by-source', { params: { query: { ...range } }, signal }))).items,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

export const funnelQuery = (range: Range) =>
  queryOptions({
    queryKey: ['figures', 'funnel', range.from, range.to],
    queryFn: async ({ signal }) =>
      (await ok(api.GET('/api/v1/analytics/funnel', { params: { query: { ...range } }, signal }))).items,
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

export const reportQuery = (period: Interval, date: string) =>
  queryOptions({
    queryKey: ['figures', 'report', period, date],
    queryFn: ({ signal }) => ok(api.GET('/api/v1/analytics/report', { params: { query: { period, date } }, signal })),
    staleTime: FRESH_MS,
    placeholderData: keepPreviousData,
  });

/** A report of a period that is over, or nearly: for the small bars, and not read again at every change. */
export const historyQuery = (period: Interval, date: string) =>
  queryOptions({ ...reportQuery(period, date), queryKey: ['history', period, date], staleTime: 10 * FRESH_MS });
