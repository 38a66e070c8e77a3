import { t } from '../words';
import { reveal, withhold } from './gone';
import { complain, dismiss, notify } from './notice';

interface Undoable {
  title: string;
  undo: () => Promise<unknown>;
  /** What says it at the lower edge, once it is said. */
  toast?: string;
}

/** There is nothing to take back: the change was refused, or gone back on already. */
class Never extends Error {}

// Ctrl-Z goes back through the last of this page's changes, also when their six seconds are over.
const done: Undoable[] = [];
const KEPT = 30;
// One after the other, the newest first: two that are taken back at once must not overtake each other on the way.
let turn: Promise<unknown> = Promise.resolve();

function keep(entry: Undoable) {
  done.push(entry);
  if (done.length > KEPT) done.shift();
}

function drop(entry: Undoable) {
  const at = done.indexOf(entry);
  if (at >= 0) done.splice(at, 1);
  return at >= 0;
}

async function take(entry: Undoable): Promise<boolean> {
  if (!drop(entry)) return false;
  if (entry.toast) dismiss(entry.toast);
  const before = turn;
  const work = (async () => {
    await before;
    try {
      await entry.undo();
      notify({ title: t('undone', { what: entry.title }) });
    } catch (error) {
      if (error instanceof Never) return;
      // It is still done, so it can still be taken back.
      keep(entry);
      entry.toast = complain(t('undo.failed'), error, { label: t('retry'), run: () => void take(entry) });
    }
  })();
  turn = work;
  await work;
  return true;
}

const say = (entry: Undoable) =>
  notify({ title: entry.title, action: { label: t('undo'), run: () => void take(entry) } });

/** Says what was done and offers to take it back. What it gives does that too; false: it was done, or is too long ago. */
export function offer(title: string, undo: () => Promise<unknown>): () => Promise<boolean> {
  const entry: Undoable = { title, undo };
  entry.toast = say(entry);
  keep(entry);
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

/**
 * One change, optimistic: shown at once, confirmed or taken back by the server's answer, and undoable. Also before the
 * answer: what takes it back then waits for it.
 */
export async function change<T>({ show, send, settle, said, undo, failed, expects }: Change<T>): Promise<T> {
  const back = show?.();
  // The answer stands where the guess stood before anything takes it back.
  const settled = send().then((answer) => {
    settle?.(answer);
    return answer;
  });
  const entry: Undoable = {
    title: '',
    undo: async () => {
      const result = await settled.catch(() => {
        throw new Never();
      });
      entry.title = said?.(result) ?? '';
      return undo?.(result);
    },
  };
  const undoable = said !== undefined && undo !== undefined;
  if (undoable) keep(entry);
  let result: T;
  try {
    result = await settled;
  } catch (error) {
    drop(entry);
    back?.();
    if (!expects?.(error)) complain(failed, error);
    throw error;
  }
  if (!said) return result;
  entry.title = said(result);
  if (!undoable) notify({ title: entry.title });
  // Nothing is offered any more if it is being taken back already.
  else if (done.includes(entry)) entry.toast = say(entry);
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

interface Deletion {
  /** What is deleted: whatever is read meanwhile, it is not shown. */
  id: string;
  show: () => () => void;
  send: () => Promise<unknown>;
  said: string;
  failed: string;
  /** Makes it anew, for an undo that comes after it was sent. */
  again?: () => Promise<unknown>;
}

/**
 * A deletion that the server can't take back: it is shown at once and sent when the time to undo it is over,
 * or when the page is left. From then on an undo makes the thing anew, if that can be.
 */
export function later({ id, show, send, said, failed, again }: Deletion) {
  withhold(id);
  const back = show();
  const restore = () => {
    reveal(id);
    back();
  };
  let sent: Promise<unknown> | undefined;
  const commit = () => {
    clearTimeout(timer);
    if (!held.delete(commit)) return;
    if (!again) drop(entry);
    sent = send();
    sent.catch((error: unknown) => {
      drop(entry);
      restore();
      complain(failed, error);
    });
  };
  const timer = setTimeout(commit, HOLD_MS);
  held.add(commit);
  const entry: Undoable = {
    title: said,
    undo: async () => {
      if (held.delete(commit)) {
        clearTimeout(timer);
        restore();
        return;
      }
      await sent?.catch(() => {
        throw new Never();
      });
      await again?.();
    },
  };
  entry.toast = say(entry);
  keep(entry);
}
