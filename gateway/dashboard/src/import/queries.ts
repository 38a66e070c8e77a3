import { queryOptions } from '@tanstack/react-query';
import { api, ok } from '../api/client';
import type { Import, OnDuplicate } from '../api/model';
import { queryClient } from '../query';
import { type Sent, upload } from './upload';

/** What a column of a file can mean; the server refuses any other. */
export const FIELDS = [
  'name',
  'firstName',
  'lastName',
  'email',
  'phone',
  'company',
  'source',
  'status',
  'tags',
  'owner',
  'createdAt',
  'statusChangedAt',
  'note',
] as const;
export type Field = (typeof FIELDS)[number];
/** What columns mean, by their headers; `null` leaves one out. What is not named is recognised. */
export type Mapping = Record<string, Field | null>;

export interface ImportOptions {
  mapping?: Mapping;
  onDuplicate?: OnDuplicate;
  dryRun?: boolean;
}

export const isOver = ({ state }: Import) => state === 'done' || state === 'failed' || state === 'undone';

export async function startImport(
  file: File,
  { mapping, onDuplicate, dryRun }: ImportOptions,
  on: { signal?: AbortSignal; told?: (sent: Sent) => void } = {},
): Promise<Import> {
  const form = new FormData();
  // What is small goes first: whatever is wrong with it is told early.
  if (mapping && Object.keys(mapping).length) form.set('mapping', JSON.stringify(mapping));
  if (onDuplicate) form.set('onDuplicate', onDuplicate);
  if (dryRun) form.set('dryRun', 'true');
  form.set('file', file, file.name);
  const started = (await (await upload('/api/v1/leads/import', form, on)).json()) as Import;
  queryClient.setQueryData(importQuery(started.id).queryKey, started);
  return started;
}

// The event stream tells how far an import is; this is for when it does not.
const POLL_MS = 1_500;

export const importQuery = (id: string) =>
  queryOptions({
    queryKey: ['import', id],
    queryFn: ({ signal }) => ok(api.GET('/api/v1/leads/imports/{id}', { params: { path: { id } }, signal })),
    refetchInterval: ({ state: { data } }) => (data && isOver(data) ? false : POLL_MS),
    staleTime: 0,
  });

/** The imports of late, without those that only told what would happen. */
export const importsQuery = queryOptions({
  queryKey: ['imports'],
  queryFn: async ({ signal }) =>
    (await ok(api.GET('/api/v1/leads/imports', { params: { query: { limit: 50 } }, signal }))).items.filter(
      (one) => !one.dryRun,
    ),
});

/** What the event stream says of an import. */
export function importWent(went: Import) {
  const { queryKey } = importQuery(went.id);
  if (went.dryRun) return;
  const known = queryClient.getQueryData(queryKey);
  if (known && isOver(known) && went.state === 'running') return;
  queryClient.setQueryData(queryKey, went);
  if (!isOver(went)) return;
  void queryClient.invalidateQueries({ queryKey: importsQuery.queryKey });
}

/** Awaits the end of an import that no page shows. */
export async function importOver(id: string, signal?: AbortSignal): Promise<Import> {
  for (let wait = 100; ; wait = Math.min(wait * 1.5, POLL_MS)) {
    await new Promise((go) => setTimeout(go, wait));
    signal?.throwIfAborted();
    const found = await ok(api.GET('/api/v1/leads/imports/{id}', { params: { path: { id } }, signal }));
    if (isOver(found)) return found;
  }
}

export async function undoImport(id: string): Promise<Import> {
  const undoing = await ok(api.POST('/api/v1/leads/imports/{id}/undo', { params: { path: { id } } }));
  queryClient.setQueryData(importQuery(id).queryKey, undoing);
  void queryClient.invalidateQueries({ queryKey: importsQuery.queryKey });
  return undoing;
}
