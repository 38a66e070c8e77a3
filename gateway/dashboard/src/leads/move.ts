import { useSyncExternalStore } from 'react';
import type { Lead, LeadRow, Status } from '../api/model';
import { quietly } from '../undo/change';
import { t } from '../words';
import { moveLead } from './changes';

interface Asked {
  /** The question. */
  title: string;
  answer: (reason: string | undefined) => void;
}
let asked: Asked | null = null;
const listeners = new Set<() => void>();
const set = (next: Asked | null) => {
  asked = next;
  for (const tell of listeners) tell();
};

/** Asks once why something was lost; who closes the question moves nothing. */
export const askLost = (title: string, answer: Asked['answer']) => set({ title, answer });

/** Moves a lead; a lost one is asked about first. `moved` hears of it once it is done. */
export function requestMove(lead: Lead | LeadRow, to: Status, moved: () => void = () => undefined) {
  if (lead.status === to) return;
  if (to === 'Lost')
    askLost(t('lost.title', { name: lead.name }), (reason) => quietly(moveLead(lead, to, reason).then(moved)));
  else quietly(moveLead(lead, to).then(moved));
}

export const useAskedLost = () =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => asked?.title ?? null,
  );
/** Answers what was asked; an empty reason is none. */
export function answerLost(reason: string) {
  const answer = asked?.answer;
  set(null);
  answer?.(reason.trim() || undefined);
}
export const closeAskedLost = () => set(null);
