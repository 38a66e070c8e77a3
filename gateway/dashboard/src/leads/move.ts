import { useSyncExternalStore } from 'react';
import type { Lead, LeadRow, Status } from '../api/model';
import { quietly } from '../undo/change';
import { moveLead } from './changes';

type Movable = Lead | LeadRow;
let asked: Movable | null = null;
const listeners = new Set<() => void>();
const set = (lead: Movable | null) => {
  asked = lead;
  for (const tell of listeners) tell();
};

/** Moves a lead; a lost one is asked about first. */
export function requestMove(lead: Movable, to: Status) {
  if (lead.status === to) return;
  if (to === 'Lost') set(lead);
  else quietly(moveLead(lead, to));
}

export const useAskedLost = () =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => asked,
  );
export const closeAskedLost = () => set(null);
