import { useSyncExternalStore } from 'react';
import type { Key } from '../words';
import type { LeadFilter } from './filter';

/** A filter with a name. */
export interface SavedView {
  name: string;
  filter: LeadFilter;
}

/** The views that everybody has. */
export const GIVEN: { name: Key; filter: LeadFilter }[] = [
  { name: 'view.mine', filter: { owner: 'me' } },
  { name: 'view.unowned', filter: { owner: 'none' } },
  { name: 'view.overdue', filter: { followUp: 'overdue' } },
  { name: 'view.noStep', filter: { followUp: 'none', status: ['New', 'Contacted', 'Qualified'] } },
  { name: 'view.idle', filter: { inactive: 14, status: ['New', 'Contacted', 'Qualified'] } },
  { name: 'view.trash', filter: { trashed: true } },
];

const listeners = new Set<() => void>();
const keyOf = (workspace: string) => `leadline.views.${workspace}`;
const cache = new Map<string, SavedView[]>();

function read(workspace: string): SavedView[] {
  const known = cache.get(workspace);
  if (known) return known;
  let views: SavedView[] = [];
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(keyOf(workspace)) ?? '[]');
    if (Array.isArray(stored))
      views = stored.filter(
        (one): one is SavedView => typeof one?.name === 'string' && typeof one?.filter === 'object',
      );
  } catch {
    // None then.
  }
  cache.set(workspace, views);
  return views;
}
function write(workspace: string, views: SavedView[]) {
  cache.set(workspace, views);
  try {
    localStorage.setItem(keyOf(workspace), JSON.stringify(views));
  } catch {
    // They last as long as the page.
  }
  for (const tell of listeners) tell();
}

export const useViews = (workspace: string) =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => read(workspace),
  );
export const saveView = (workspace: string, view: SavedView) =>
  write(workspace, [...read(workspace).filter((one) => one.name !== view.name), view]);
export const dropView = (workspace: string, name: string) =>
  write(
    workspace,
    read(workspace).filter((one) => one.name !== name),
  );
