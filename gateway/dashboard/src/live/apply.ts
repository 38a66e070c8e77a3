import type { LiveEvent } from '../api/live';
import type { Activity, Import, LeadPatch, LeadRow, Reminder, Status } from '../api/model';
import { addToFeed } from '../activity/feed';
import { addRow, dropRow, editLead, findRow, putMoved, readLists, toRow } from '../leads/cache';
import { keys, leadQuery } from '../leads/queries';
import { importWent, isOver } from '../import/queries';
import { queryClient } from '../query';
import { fellDue } from '../reminders/due';

const waiting = new Map<string, ReturnType<typeof setTimeout>>();
const last = new Map<string, number>();
// However many events come (an import, say), nothing is read again more often than this.
const GAP_MS = 2_000;

/** Reads something again, once for a burst of events. */
function soon(name: string, ms: number) {
  if (waiting.has(name)) return;
  const wait = Math.max(ms, (last.get(name) ?? 0) + GAP_MS - Date.now());
  waiting.set(
    name,
    setTimeout(() => {
      waiting.delete(name);
      last.set(name, Date.now());
      if (name === 'leads') readLists();
      else void queryClient.invalidateQueries({ queryKey: [name] });
    }, wait),
  );
}

let showing = 0;
/**
 * Fetches a lead that has just come or moved, to show it at once; of a flood only some, the lists are read again anyway.
 */
function show(id: string, put: (row: LeadRow) => void = addRow) {
  if (showing >= 3) return;
  showing += 1;
  void queryClient
    .fetchQuery(leadQuery(id))
    .then((lead) => put(toRow(lead)))
    .catch(() => undefined)
    .finally(() => {
      showing -= 1;
    });
}

function applyActivity(entry: Activity) {
  addToFeed(entry);
  const id = entry.lead.id;
  const known = findRow(id);
  // An echo of this page's own write, or an old event after a reconnection.
  if (known && known.version >= entry.version && entry.type !== 'lead.deleted') return;
  const stamp = { version: entry.version, updatedAt: entry.at, lastActivityAt: entry.at };
  switch (entry.type) {
    case 'lead.status_changed': {
      const to = entry.data['to'] as Status;
      const from = entry.data['from'] as Status;
      if (known) editLead(id, (row) => ({ ...row, ...stamp, status: to, statusChangedAt: entry.at }), from);
      else show(id, (row) => putMoved(row, from));
      break;
    }
    case 'lead.updated': {
      const changes = (entry.data['changes'] ?? {}) as Record<string, { to: unknown }>;
      const patch: LeadPatch = {};
      for (const [field, { to }] of Object.entries(changes))
        if (!field.startsWith('owner')) Object.assign(patch, { [field]: to });
      editLead(id, (row) => ({ ...row, ...patch, ...stamp }));
      break;
    }
    case 'lead.deleted':
    case 'lead.merged':
      if (entry.type === 'lead.deleted' || entry.data['intoId']) dropRow(id);
      soon('reminders', 600);
      break;
    case 'lead.created':
    case 'lead.restored':
    case 'lead.unmerged':
      if (!known) show(id);
      break;
    default:
      editLead(id, (row) => ({ ...row, ...stamp }));
  }
  void queryClient.invalidateQueries({ queryKey: keys.lead(id) });
  soon('leads', 900);
}

/** Of the leads of an import only some are told; what it has made or updated meanwhile is read with its progress. */
function applyImport(went: Import) {
  importWent(went);
  if (went.dryRun) return;
  soon('leads', 900);
  if (!isOver(went)) return;
  soon('activity', 900);
  soon('lead', 900);
  // Those of leads that are taken back go with them.
  soon('reminders', 900);
}

/** Puts what the server has told into what the page knows. */
export function applyLive({ type, data }: LiveEvent) {
  if (type === 'activity') applyActivity(data as Activity);
  else if (type === 'analytics') soon('figures', 250);
  // More was missed than can be told.
  else if (type === 'reload') readAgain();
  else if (type === 'import') applyImport(data as Import);
  else if (type === 'reminder.due') {
    fellDue(data as Reminder | { reminder: Reminder });
    soon('reminders', 250);
    soon('leads', 900);
  }
}

/** After a gap in the stream: whatever is shown may be old. */
export const readAgain = () => void queryClient.invalidateQueries();
