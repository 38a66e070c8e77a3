import { api, ok } from '../api/client';
import type { BulkChange, BulkResult, LeadRow, Person, Status } from '../api/model';
import { ApiError } from '../api/problem';
import { reason } from '../design/Small';
import { queryClient } from '../query';
import { change } from '../undo/change';
import { complain } from '../undo/notice';
import { t } from '../words';
import { dropRow, editLead, remember, stir } from './cache';
import { restore } from './changes';
import { type LeadFilter, toQuery } from './filter';
import { own } from './held';

/** So many are sent at once; between two parts a change can be called off, and what is done by then stays undoable. */
export const CHUNK = 500;
/** More than this is not gone through one by one for an undo. */
export const MOST = 10_000;

/** What is to be done to many leads. */
export type Act =
  | { status: Status; reason?: string | undefined }
  | { addTag: string }
  | { removeTag: string }
  | { assign: Person | null }
  | { delete: true };

/** Every lead that a filter meets, for a change of all of them that can be taken back exactly. */
export async function everyLead(
  filter: LeadFilter,
  zone: string,
  progress: (loaded: number) => void,
  signal: AbortSignal,
): Promise<LeadRow[]> {
  const rows: LeadRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await ok(
      api.GET('/api/v1/leads', { params: { query: { ...toQuery(filter, zone), limit: 200, cursor } }, signal }),
    );
    rows.push(...page.items);
    progress(rows.length);
    cursor = page.nextCursor ?? undefined;
  } while (cursor && rows.length < MOST);
  return rows;
}

interface Sent extends BulkResult {
  /** What was sent, and may have been changed. */
  touched: Set<string>;
  /** Why not all was sent. */
  broken?: unknown;
}

interface Course {
  /** How many have been sent. */
  progress?: ((done: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Sends a change in parts. When one of them fails, those before it stay done: what it gives tells how far it came.
 * It throws only if nothing was done at all.
 */
async function send(ids: string[], what: Omit<BulkChange, 'ids' | 'filter'>, on: Course = {}): Promise<Sent> {
  const sum: Sent = { matched: 0, changed: 0, failed: [], touched: new Set() };
  for (let from = 0; from < ids.length && !on.signal?.aborted; from += CHUNK) {
    const part = ids.slice(from, from + CHUNK);
    try {
      const result = await ok(api.POST('/api/v1/leads/bulk', { body: { ids: part, ...what } }));
      sum.matched += result.matched;
      sum.changed += result.changed;
      sum.failed.push(...result.failed);
      const failed = new Set(result.failed.map((one) => one.id));
      for (const id of part) if (!failed.has(id)) sum.touched.add(id);
    } catch (error) {
      if (from === 0) throw error;
      // It may have been done, and its answer lost: then it is taken back with the others.
      if (error instanceof ApiError && (error.offline || error.status >= 500))
        for (const id of part) sum.touched.add(id);
      sum.failed.push(...ids.slice(from).map((id) => ({ id, reason: reason(error) })));
      sum.broken = error;
      break;
    }
    on.progress?.(Math.min(ids.length, from + CHUNK));
  }
  return sum;
}

const hasTag = (row: LeadRow, tag: string) => row.tags.some((one) => one.toLowerCase() === tag.toLowerCase());

/** The rows by what they had before, so that an undo is one call for each value and not for each lead. */
export function groups<K>(rows: LeadRow[], of: (row: LeadRow) => K): Map<K, string[]> {
  const map = new Map<K, string[]>();
  for (const row of rows) {
    const key = of(row);
    const ids = map.get(key);
    if (ids) ids.push(row.id);
    else map.set(key, [row.id]);
  }
  return map;
}

/** An undo is whole or has failed: then it can be tried again. */
async function sendAll(ids: string[], what: Omit<BulkChange, 'ids' | 'filter'>) {
  const { broken } = await send(ids, what);
  if (broken) throw broken;
}

async function takeBack(rows: LeadRow[], act: Act) {
  for (const row of rows) own(row.id);
  if ('status' in act) {
    const moved = rows.filter((row) => row.status !== act.status);
    for (const [status, ids] of groups(moved, (row) => row.status)) await sendAll(ids, { setStatus: status });
  } else if ('assign' in act) {
    for (const [owner, ids] of groups(rows, (row) => row.owner?.id ?? null)) await sendAll(ids, { assignTo: owner });
  } else if ('addTag' in act) {
    const fresh = rows.filter((row) => !hasTag(row, act.addTag)).map((row) => row.id);
    await sendAll(fresh, { removeTags: [act.addTag] });
  } else if ('removeTag' in act) {
    const lost = rows.filter((row) => hasTag(row, act.removeTag)).map((row) => row.id);
    await sendAll(lost, { addTags: [act.removeTag] });
  } else {
    const left = rows.map((row) => row.id);
    const worker = async () => {
      for (let id = left.pop(); id; id = left.pop()) await restore(id);
    };
    await Promise.all(Array.from({ length: 6 }, worker));
  }
  stir();
  void queryClient.invalidateQueries({ queryKey: ['reminders'] });
}

function toChange(act: Act): Omit<BulkChange, 'ids' | 'filter'> {
  if ('status' in act) return { setStatus: act.status, ...(act.reason ? { reason: act.reason } : {}) };
  if ('assign' in act) return { assignTo: act.assign?.id ?? null };
  if ('addTag' in act) return { addTags: [act.addTag] };
  if ('removeTag' in act) return { removeTags: [act.removeTag] };
  return { delete: true };
}

function shown(act: Act) {
  return (row: LeadRow): LeadRow => {
    if ('status' in act) return { ...row, status: act.status };
    if ('assign' in act) return { ...row, owner: act.assign };
    if ('addTag' in act) return hasTag(row, act.addTag) ? row : { ...row, tags: [...row.tags, act.addTag] };
    if ('removeTag' in act)
      return { ...row, tags: row.tags.filter((tag) => tag.toLowerCase() !== act.removeTag.toLowerCase()) };
    return row;
  };
}

function said(act: Act, result: BulkResult): string {
  const n = result.changed;
  const done =
    'status' in act
      ? t('bulk.moved', { n, status: t(`status.${act.status}`) })
      : 'assign' in act
        ? act.assign
          ? t('bulk.assigned', { n, name: act.assign.name })
          : t('bulk.unassigned', { n })
        : 'delete' in act
          ? t('bulk.deleted', { n })
          : t('bulk.tagged', { n });
  return result.failed.length ? `${done} ${t('bulk.failures', { n: result.failed.length })}` : done;
}

interface Options extends Course {
  /** What was done, if the count does not tell it best. */
  said?: string;
}

/**
 * Changes many leads at once; the undo gives each back what it had. If only some could be changed, or it was called off
 * on the way, those that were stay undoable.
 */
export function changeMany(rows: LeadRow[], act: Act, { said: words, ...course }: Options = {}): Promise<BulkResult> {
  // More than a screenful of single edits would cost more than reading the lists again.
  const few = rows.length <= 200;
  return change({
    show: () => {
      const back = remember();
      if (few)
        for (const row of rows) {
          own(row.id);
          if ('delete' in act) dropRow(row.id);
          else editLead(row.id, shown(act));
        }
      return back;
    },
    send: () =>
      send(
        rows.map((row) => row.id),
        toChange(act),
        course,
      ),
    settle: (result) => {
      stir();
      void queryClient.invalidateQueries({ queryKey: ['reminders'] });
      if (result.broken) complain(t('bulk.partly'), result.broken);
    },
    said: (result) => (words && result.failed.length === 0 ? words : said(act, result)),
    undo: (result) =>
      takeBack(
        rows.filter((row) => result.touched.has(row.id)),
        act,
      ),
    failed: t('bulk.failed'),
  });
}
