import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Status } from '../api/model';
import { ApiError } from '../api/problem';
import { type Duplicates, duplicatesOf, duplicatesOfTyped } from '../api/undescribed';
import { type LeadFilter, toQuery } from './filter';

const PAGE = 100;
const COLUMN_PAGE = 30;

export const keys = {
  lists: ['leads'] as const,
  list: (filter: LeadFilter, zone: string) => ['leads', 'list', filter, zone] as const,
  column: (status: Status, filter: LeadFilter, zone: string) => ['leads', 'column', status, filter, zone] as const,
  count: (filter: LeadFilter, zone: string) => ['leads', 'count', filter, zone] as const,
  lead: (id: string) => ['lead', id] as const,
};

export const leadsQuery = (filter: LeadFilter, zone: string) =>
  infiniteQueryOptions({
    queryKey: keys.list(filter, zone),
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET('/api/v1/leads', {
          params: { query: { ...toQuery(filter, zone), limit: PAGE, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** One stage of the pipeline; what moved last is on top. */
export const columnQuery = (status: Status, filter: LeadFilter, zone: string) =>
  infiniteQueryOptions({
    queryKey: keys.column(status, filter, zone),
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET('/api/v1/leads', {
          params: {
            query: {
              ...toQuery({ ...filter, status: [status], sort: '-updatedAt' }, zone),
              limit: COLUMN_PAGE,
              cursor: pageParam,
            },
          },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** How many leads a filter meets. */
export const countQuery = (filter: LeadFilter, zone: string) =>
  queryOptions({
    queryKey: keys.count(filter, zone),
    queryFn: async ({ signal }) => {
      const page = await ok(
        api.GET('/api/v1/leads', { params: { query: { ...toQuery(filter, zone), limit: 1 } }, signal }),
      );
      return page.total;
    },
    placeholderData: keepPreviousData,
  });

export const leadQuery = (id: string) =>
  queryOptions({
    queryKey: keys.lead(id),
    queryFn: ({ signal }) => ok(api.GET('/api/v1/leads/{id}', { params: { path: { id } }, signal })),
  });

export const timelineQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: [...keys.lead(id), 'activity'],
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET('/api/v1/leads/{id}/activity', {
          params: { path: { id }, query: { limit: 40, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });

export const notesQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: [...keys.lead(id), 'notes'],
    queryFn: ({ pageParam, signal }) =>
      ok(
        api.GET('/api/v1/leads/{id}/notes', {
          params: { path: { id }, query: { limit: 50, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });

// A server that doesn't look for duplicates is asked once.
let looksForDuplicates = true;
const noDuplicates = (error: unknown): Duplicates => {
  if (!(error instanceof ApiError) || error.status !== 404) throw error;
  looksForDuplicates = false;
  return { items: [] };
};
export const duplicatesQuery = (id: string) =>
  queryOptions({
    queryKey: ['duplicates', id],
    queryFn: ({ signal }) => duplicatesOf(id, signal).catch(noDuplicates),
    enabled: () => looksForDuplicates,
    staleTime: 60_000,
    retry: false,
  });

/** What a lead that is being typed may be already. */
export const typedDuplicatesQuery = (typed: Record<string, string>) =>
  queryOptions({
    queryKey: ['duplicates', 'typed', typed],
    queryFn: ({ signal }) => duplicatesOfTyped(typed, signal).catch(noDuplicates),
    enabled: () => looksForDuplicates && Object.values(typed).some(Boolean),
    staleTime: 30_000,
    retry: false,
    placeholderData: keepPreviousData,
  });

/** The leads that a few typed letters may mean. */
export const searchQuery = (q: string) =>
  queryOptions({
    queryKey: ['leads', 'search', q],
    queryFn: async ({ signal }) =>
      (await ok(api.GET('/api/v1/leads', { params: { query: { q, limit: 8, sort: '-updatedAt' } }, signal }))).items,
    enabled: q.trim().length > 0,
    placeholderData: keepPreviousData,
  });
