// Calls that the contract has and `openapi.json` does not describe yet: typed here until it does.
import { raw } from './client';
import type { Lead } from './model';

export interface Import {
  id: string;
  state: 'queued' | 'running' | 'done' | 'failed' | 'undone';
  rows: number;
  created: number;
  updated: number;
  skipped: number;
  failed: number;
}
const json = async <T>(response: Promise<Response>): Promise<T> => (await response).json() as Promise<T>;
const path = (...parts: string[]) => `/api/v1/leads/${parts.map(encodeURIComponent).join('/')}`;

export const startImport = (body: FormData | string, query = '') =>
  json<{ id: string }>(
    raw(`${path('import')}${query}`, {
      method: 'POST',
      body,
      ...(typeof body === 'string' ? { headers: { 'Content-Type': 'text/csv' } } : {}),
    }),
  );
export const importState = (id: string, signal?: AbortSignal) => json<Import>(raw(path('imports', id), { signal }));
export const importErrorsUrl = (id: string) => path('imports', id, 'errors');

export const mergeLeads = (id: string, from: string[]) =>
  json<Lead>(
    raw(path(id, 'merge'), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ from }),
    }),
  );
