import { useSyncExternalStore } from 'react';
import type { Lead, LeadRow, Status } from '../api/model';
import { quietly } from '../undo/change';
import { moveLead } from './changes';

type Movable = Lead | LeadRow;
interface Asked {
  lead: Movable;
  moved: () => void;
}
let asked: Asked | null = null;
const listeners = new Set<() => void>();
const set = (next: Asked | null) => {
  asked = next;
  for (const tell of listeners) tell();
};

/** Moves a lead; a lost one is asked about first. `moved` hears of it once it is done. */
export function requestMove(lead: Movable, to: Status, moved: () => void = () => undefined) {
  if (lead.status === to) return;
  if (to === 'Lost') set({ lead, moved });
  else quietly(moveLead(lead, to).then(moved));
}

export const useAskedLost = () =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => asked?.lead ?? null,
  );
/** Moves the lead that was asked about; an empty reason is none. */
export function answerLost(reason: string) {
  if (!asked) return;
  const { lead, moved } = asked;
  set(null);
  quietly(moveLead(lead, 'Lost', reason.trim() || undefined).then(moved));
}
export const closeAskedLost = () => set(null);
