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

/** The views that this browser keeps for a workspace. */
export function readViews(workspace: string): SavedView[] {
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
/** Puts a view, or none, in the place of the one of that name. What it gives back brings that one back to its place. */
function replace(workspace: string, name: string, next?: SavedView): () => void {
  const others = () => readViews(workspace).filter((one) => one.name !== name);
  const at = readViews(workspace).findIndex((one) => one.name === name);
  const old = readViews(workspace)[at];
  write(workspace, next ? [...others(), next] : others());
  return () => write(workspace, old ? others().toSpliced(at, 0, old) : others());
}

export const useViews = (workspace: string) =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => readViews(workspace),
  );
export const saveView = (workspace: string, view: SavedView) => replace(workspace, view.name, view);
export const dropView = (workspace: string, name: string) => replace(workspace, name);
