import { t } from '../words';
import { complain, dismiss, notify } from './notice';

interface Undoable {
  title: string;
  undo: () => Promise<unknown>;
  toast: string;
}

// Ctrl-Z goes back through the last of this page's changes, also when their six seconds are over.
const done: Undoable[] = [];
const KEPT = 30;

async function take(entry: Undoable): Promise<boolean> {
  const at = done.indexOf(entry);
  if (at < 0) return false;
  done.splice(at, 1);
  dismiss(entry.toast);
  try {
    await entry.undo();
    notify({ title: t('undone', { what: entry.title }) });
  } catch (error) {
    complain(t('undo.failed'), error);
  }
  return true;
}

/** Says what was done and offers to take it back. What it gives does that too; false: it was done, or is too long ago. */
export function offer(title: string, undo: () => Promise<unknown>): () => Promise<boolean> {
  const entry: Undoable = { title, undo, toast: '' };
  entry.toast = notify({ title, action: { label: t('undo'), run: () => void take(entry) } });
  done.push(entry);
  if (done.length > KEPT) done.shift();
  return () => take(entry);
}

/** Takes back the last change that can be. */
export async function undoLast() {
  const last = done.at(-1);
  if (last) await take(last);
  else notify({ title: t('undo.nothing') });
}

interface Change<T> {
  /** Shows the change before the server has confirmed it; what it answers takes that back. */
  show?: () => () => void;
  send: () => Promise<T>;
  /** Puts the server's answer in place of the guess. */
  settle?: (result: T) => void;
  /** What was done, for the visitor; nothing is said without it. */
  said?: (result: T) => string;
  undo?: (result: T) => Promise<unknown>;
  /** What did not work, if it didn't. */
  failed: string;
  /** Errors that the caller deals with; they are not complained of here. */
  expects?: (error: unknown) => boolean;
}

/** One change, optimistic: shown at once, confirmed or taken back by the server's answer, and undoable. */
export async function change<T>({ show, send, settle, said, undo, failed, expects }: Change<T>): Promise<T> {
  const back = show?.();
  let result: T;
  try {
    result = await send();
  } catch (error) {
    back?.();
    if (!expects?.(error)) complain(failed, error);
    throw error;
  }
  settle?.(result);
  if (said) {
    if (undo) offer(said(result), () => undo(result));
    else notify({ title: said(result) });
  }
  return result;
}

/** For calls from event handlers, where a refusal was said already. */
export const quietly = (work: Promise<unknown>) => void work.catch(() => undefined);

const HOLD_MS = 6_000;
const held = new Set<() => void>();
if (typeof addEventListener !== 'undefined')
  addEventListener('pagehide', () => {
    for (const commit of held) commit();
  });

/**
 * A change that the server can't take back: it is shown at once and sent when the time to undo it is over,
 * or when the page is left.
 */
export function later({
  show,
  send,
  said,
  failed,
}: {
  show: () => () => void;
  send: () => Promise<unknown>;
  said: string;
  failed: string;
}) {
  const back = show();
  const commit = () => {
    clearTimeout(timer);
    if (!held.delete(commit)) return;
    const at = done.indexOf(entry);
    if (at >= 0) done.splice(at, 1);
    send().catch((error: unknown) => {
      back();
      complain(failed, error);
    });
  };
  const timer = setTimeout(commit, HOLD_MS);
  held.add(commit);
  const entry: Undoable = {
    title: said,
    undo: async () => {
      clearTimeout(timer);
      held.delete(commit);
      back();
    },
    toast: '',
  };
  entry.toast = notify({ title: said, action: { label: t('undo'), run: () => void take(entry) } });
  done.push(entry);
}
