import { useSyncExternalStore } from 'react';
import type { Key } from '../words';
import type { SortField } from './filter';

export const COLUMNS = [
  'name',
  'status',
  'source',
  'nextStep',
  'owner',
  'updated',
  'created',
  'company',
  'email',
  'phone',
  'tags',
  'notes',
] as const;
export type Column = (typeof COLUMNS)[number];

interface About {
  label: Key;
  sort?: SortField;
  width: number;
  /** Shown unless the visitor says otherwise. */
  usual: boolean;
}
export const ABOUT: Record<Column, About> = {
  name: { label: 'leads.name', sort: 'name', width: 230, usual: true },
  status: { label: 'leads.status', sort: 'status', width: 138, usual: true },
  source: { label: 'leads.source', width: 100, usual: true },
  nextStep: { label: 'leads.nextStep', width: 150, usual: true },
  owner: { label: 'leads.owner', width: 150, usual: true },
  updated: { label: 'leads.updated', sort: 'updatedAt', width: 116, usual: true },
  created: { label: 'leads.created', sort: 'createdAt', width: 116, usual: true },
  company: { label: 'field.company', sort: 'company', width: 160, usual: false },
  email: { label: 'field.emailName', width: 210, usual: false },
  phone: { label: 'field.phone', width: 150, usual: false },
  tags: { label: 'field.tags', width: 170, usual: false },
  notes: { label: 'leads.notes', width: 76, usual: false },
};

const STORED = 'leadline.columns';
const listeners = new Set<() => void>();
let shown: Record<Column, boolean> | null = null;

function read(): Record<Column, boolean> {
  if (shown) return shown;
  let stored: Partial<Record<Column, boolean>> = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORED) ?? '{}') as typeof stored;
  } catch {
    // The usual ones then.
  }
  shown = Object.fromEntries(
    COLUMNS.map((column) => [column, column === 'name' || (stored[column] ?? ABOUT[column].usual)]),
  ) as Record<Column, boolean>;
  return shown;
}

export function toggleColumn(column: Column) {
  shown = { ...read(), [column]: !read()[column] };
  try {
    localStorage.setItem(STORED, JSON.stringify(shown));
  } catch {
    // They hold for this visit.
  }
  for (const tell of listeners) tell();
}
export const useShownColumns = () =>
  useSyncExternalStore((tell) => {
    listeners.add(tell);
    return () => void listeners.delete(tell);
  }, read);
