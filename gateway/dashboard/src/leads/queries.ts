import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Lead, Status } from '../api/model';
import { present, presentPage } from '../undo/gone';
import { type LeadFilter, toQuery } from './filter';

// The first page is short, to come quickly; those after it long, so that fast scrolling does not reach the end of them.
const PAGE = { first: 100, more: 200 };
const COLUMN_PAGE = { first: 30, more: 100 };

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
          params: { query: { ...toQuery(filter, zone), limit: pageParam ? PAGE.more : PAGE.first, cursor: pageParam } },
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
              limit: pageParam ? COLUMN_PAGE.more : COLUMN_PAGE.first,
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

/** A lead without the notes that are being deleted. */
export const withoutGone = (lead: Lead): Lead => {
  const notes = present(lead.notes);
  return notes === lead.notes ? lead : { ...lead, notes };
};

export const leadQuery = (id: string) =>
  queryOptions({
    queryKey: keys.lead(id),
    queryFn: async ({ signal }) =>
      withoutGone(await ok(api.GET('/api/v1/leads/{id}', { params: { path: { id } }, signal }))),
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
    queryFn: async ({ pageParam, signal }) =>
      presentPage(
        await ok(
          api.GET('/api/v1/leads/{id}/notes', {
            params: { path: { id }, query: { limit: 50, cursor: pageParam } },
            signal,
          }),
        ),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
  });

/** Leads that may be the same as this one, each with why. */
export const duplicatesQuery = (id: string) =>
  queryOptions({
    queryKey: ['duplicates', id],
    queryFn: ({ signal }) => ok(api.GET('/api/v1/leads/{id}/duplicates', { params: { path: { id } }, signal })),
    staleTime: 60_000,
  });

/** What of a lead that is being typed can tell that it is known already. */
export type Typed = { name?: string; email?: string; phone?: string; company?: string };

/** Leads that may be the same as one that is being typed. */
export const typedDuplicatesQuery = (typed: Typed) =>
  queryOptions({
    queryKey: ['duplicates', 'typed', typed],
    queryFn: ({ signal }) => ok(api.GET('/api/v1/leads/duplicates', { params: { query: typed }, signal })),
    enabled: Object.values(typed).some(Boolean),
    staleTime: 30_000,
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
