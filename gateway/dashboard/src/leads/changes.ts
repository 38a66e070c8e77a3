import { api, ifMatch, ok } from '../api/client';
import type { Activity, Lead, LeadPatch, LeadRow, Member, NewLead, Note, Person, Source, Status } from '../api/model';
import { ApiError } from '../api/problem';
import { queryClient } from '../query';
import { knownMe } from '../shell/me';
import { change, later } from '../undo/change';
import { complain, notify } from '../undo/notice';
import { t } from '../words';
import { addRow, dropRow, editLead, editNotes, remember, settleLead, stir, toRow } from './cache';
import { own } from './held';
import { keys } from './queries';

const at = (id: string) => ({ params: { path: { id } } });

const setStatus = (id: string, status: Status, reason?: string) =>
  ok(api.PATCH('/api/v1/leads/{id}/status', { ...at(id), body: reason ? { status, reason } : { status } }));

/** Moves a lead to another stage. */
export function moveLead(lead: LeadRow | Lead, to: Status, reason?: string): Promise<Lead> {
  const from = lead.status;
  return change({
    show: () => {
      own(lead.id);
      const back = remember();
      const now = new Date().toISOString();
      editLead(lead.id, (row) => ({ ...row, status: to, statusChangedAt: now, updatedAt: now, lastActivityAt: now }));
      return back;
    },
    send: () => setStatus(lead.id, to, reason),
    settle: settleLead,
    said: () => t('lead.moved', { name: lead.name, status: t(`status.${to}`) }),
    undo: async () => settleLead(await setStatus(lead.id, from)),
    failed: t('lead.moved.failed', { name: lead.name }),
  });
}

/** What a change of fields met instead: somebody else's change of the same field. */
export class Conflict extends Error {
  readonly theirs: Lead;
  readonly fields: (keyof LeadPatch)[];
  readonly by: Activity | undefined;
  constructor(theirs: Lead, fields: (keyof LeadPatch)[], by: Activity | undefined) {
    super('conflict');
    this.theirs = theirs;
    this.fields = fields;
    this.by = by;
  }
}

/** The value of a field as a patch writes it. */
export const fieldOf = (lead: Lead | LeadRow, field: keyof LeadPatch): unknown =>
  field === 'ownerId' ? (lead.owner?.id ?? null) : lead[field];
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** A field's value in words. */
function inWords(field: keyof LeadPatch, value: unknown, owner: Person | null | undefined): string {
  if (field === 'ownerId') return value === null ? t('owner.none') : (owner?.name ?? '–');
  if (field === 'source') return t(`source.${value as Source}`);
  if (field === 'status') return t(`status.${value as Status}`);
  const text = Array.isArray(value) ? value.join(', ') : String(value ?? '');
  return text || '–';
}
/** What the other has written, in words. */
export const theirsOf = ({ theirs }: Conflict, field: keyof LeadPatch) =>
  inWords(field, fieldOf(theirs, field), theirs.owner);
/** What the visitor has written, in words. */
export const mineOf = (patch: LeadPatch, owner: Person | null | undefined, field: keyof LeadPatch) =>
  inWords(field, patch[field], owner);

/** The patch that takes a patch back. */
export const inverse = (lead: Lead | LeadRow, patch: LeadPatch): LeadPatch =>
  Object.fromEntries(Object.keys(patch).map((field) => [field, fieldOf(lead, field as keyof LeadPatch)]));

/** A lead after a patch, as far as this side can tell. */
export function patched(row: LeadRow, patch: LeadPatch, owner?: Person | null): LeadRow {
  const { ownerId, ...plain } = patch;
  return { ...row, ...plain, ...(ownerId === undefined ? {} : { owner: owner ?? null }) };
}

async function whoWrote(id: string, fields: (keyof LeadPatch)[]): Promise<Activity | undefined> {
  const page = await ok(
    api.GET('/api/v1/leads/{id}/activity', { params: { path: { id }, query: { limit: 20 } } }),
  ).catch(() => null);
  return page?.items.find((entry) => {
    const changes = entry.data['changes'] as Record<string, unknown> | undefined;
    return changes && fields.some((field) => field in changes || (field === 'ownerId' && 'owner' in changes));
  });
}

/**
 * Writes fields on the version that the visitor saw. If others have written different fields meanwhile, the write is
 * repeated on theirs; if the same, both values are handed to the visitor as a `Conflict`.
 */
async function writeFields(base: Lead | LeadRow, patch: LeadPatch): Promise<Lead> {
  const fields = Object.keys(patch) as (keyof LeadPatch)[];
  let version = base.version;
  for (let round = 0; ; round += 1) {
    try {
      return await ok(
        api.PATCH('/api/v1/leads/{id}', { params: { path: { id: base.id }, header: ifMatch(version) }, body: patch }),
      );
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 412 || round > 3) throw error;
      const theirs = await ok(api.GET('/api/v1/leads/{id}', at(base.id)));
      const met = fields.filter(
        (field) => !same(fieldOf(theirs, field), fieldOf(base, field)) && !same(fieldOf(theirs, field), patch[field]),
      );
      if (met.length) throw new Conflict(theirs, met, await whoWrote(base.id, met));
      version = theirs.version;
    }
  }
}

/** Changes fields of a lead. Faults of single fields and conflicts are thrown for the form to show. */
export function patchLead(lead: Lead | LeadRow, patch: LeadPatch, owner?: Person | null): Promise<Lead> {
  const back = inverse(lead, patch);
  return change({
    show: () => {
      const restore = remember();
      editLead(lead.id, (row) => patched(row, patch, owner));
      return restore;
    },
    send: () => writeFields(lead, patch),
    settle: settleLead,
    said: (saved) => t('lead.saved', { name: saved.name }),
    undo: async (saved) => settleLead(await writeFields(saved, back)),
    failed: t('lead.saved.failed', { name: lead.name }),
    expects: (error) => error instanceof Conflict || (error instanceof ApiError && error.status === 422),
  });
}

/** Says what a change met, where there is no place for both values. */
function sayRefused(lead: Lead | LeadRow, error: unknown) {
  if (!(error instanceof Conflict)) {
    // What is not of a single field was said already.
    if (error instanceof ApiError && error.status === 422) complain(t('lead.saved.failed', { name: lead.name }), error);
    return;
  }
  const [field] = error.fields;
  if (!field) return;
  settleLead(error.theirs);
  const value = theirsOf(error, field);
  notify({
    title: t('lead.saved.failed', { name: lead.name }),
    description: error.by ? t('conflict.said.by', { who: error.by.actor.name, value }) : t('conflict.said', { value }),
    kind: 'error',
  });
}

/** Keeps the visitor's value over somebody else's. */
export const overwrite = (theirs: Lead, patch: LeadPatch, owner?: Person | null) => patchLead(theirs, patch, owner);

const trash = (id: string) => ok(api.DELETE('/api/v1/leads/{id}', at(id)));
export const restore = (id: string) => ok(api.POST('/api/v1/leads/{id}/restore', at(id)));

/** Merges another lead into one. */
export function mergeLead(lead: Lead, other: LeadRow): Promise<Lead> {
  const settle = (merged: Lead) => {
    settleLead(merged);
    void queryClient.invalidateQueries({ queryKey: ['reminders'] });
    stir();
  };
  return change({
    send: () => ok(api.POST('/api/v1/leads/{id}/merge', { ...at(lead.id), body: { from: [other.id] } })),
    settle: (merged) => {
      dropRow(other.id);
      settle(merged);
    },
    said: () => t('merge.done', { from: other.name, to: lead.name }),
    undo: async () => {
      // Nobody else's merge of the meantime.
      const { items } = await ok(
        api.GET('/api/v1/leads/{id}/activity', {
          params: { path: { id: lead.id }, query: { type: ['lead.merged'], limit: 50 } },
        }),
      );
      const merge = items.find(({ data }) => (data['fromIds'] as string[] | undefined)?.includes(other.id));
      const mergeId = merge?.data['mergeId'] as string | undefined;
      own(other.id);
      settle(await ok(api.POST('/api/v1/leads/{id}/unmerge', { ...at(lead.id), body: { mergeId } })));
    },
    failed: t('merge.failed'),
  });
}

export function createLead(values: NewLead): Promise<Lead> {
  return change({
    send: () => ok(api.POST('/api/v1/leads', { body: values })),
    settle: (lead) => {
      own(lead.id);
      queryClient.setQueryData(keys.lead(lead.id), lead);
      addRow(toRow(lead));
      stir();
    },
    said: (lead) => t('lead.created', { name: lead.name }),
    undo: async (lead) => {
      await trash(lead.id);
      dropRow(lead.id);
      stir();
    },
    failed: t('lead.created.failed'),
    expects: (error) => error instanceof ApiError && error.status === 422,
  });
}

export function deleteLead(lead: LeadRow | Lead): Promise<void> {
  return change({
    show: () => {
      const back = remember();
      dropRow(lead.id);
      return back;
    },
    send: () => trash(lead.id),
    settle: () => {
      stir();
      void queryClient.invalidateQueries({ queryKey: ['reminders'] });
    },
    said: () => t('lead.deleted', { name: lead.name }),
    undo: async () => {
      settleLead(await restore(lead.id));
      void queryClient.invalidateQueries({ queryKey: ['reminders'] });
    },
    failed: t('lead.deleted.failed', { name: lead.name }),
  });
}

/** Brings a lead back from the trash. */
export function restoreLead(lead: LeadRow): Promise<Lead> {
  return change({
    show: () => {
      const back = remember();
      dropRow(lead.id);
      return back;
    },
    send: () => restore(lead.id),
    settle: settleLead,
    said: () => t('lead.restored', { name: lead.name }),
    undo: async () => {
      await trash(lead.id);
      stir();
    },
    failed: t('lead.restored.failed', { name: lead.name }),
  });
}

export function addNote(lead: Lead, text: string, author: Person): Promise<Note> {
  const guess: Note = { id: `guess-${Date.now()}`, text, author, createdAt: new Date().toISOString() };
  return change({
    show: () => {
      editNotes(lead.id, (notes) => [guess, ...notes]);
      return () => editNotes(lead.id, (notes) => notes.filter((note) => note.id !== guess.id));
    },
    send: () => ok(api.POST('/api/v1/leads/{id}/notes', { ...at(lead.id), body: { text } })),
    settle: (note) => {
      editNotes(lead.id, (notes) => notes.map((one) => (one.id === guess.id ? note : one)));
      stir();
    },
    said: () => t('note.added'),
    undo: async (note) => {
      await ok(api.DELETE('/api/v1/leads/{id}/notes/{noteId}', { params: { path: { id: lead.id, noteId: note.id } } }));
      editNotes(lead.id, (notes) => notes.filter((one) => one.id !== note.id));
      stir();
    },
    failed: t('note.added.failed'),
    expects: (error) => error instanceof ApiError && error.status === 422,
  });
}

export function deleteNote(lead: Lead, note: Note) {
  later({
    id: note.id,
    show: () => {
      editNotes(lead.id, (notes) => notes.filter((one) => one.id !== note.id));
      const older = () => void queryClient.invalidateQueries({ queryKey: [...keys.lead(lead.id), 'notes'] });
      older();
      return () => {
        editNotes(lead.id, (notes) =>
          notes.some((one) => one.id === note.id)
            ? notes
            : [...notes, note].sort((a, b) => b.createdAt.localeCompare(a.createdAt)),
        );
        older();
      };
    },
    send: async () => {
      await ok(
        api.DELETE('/api/v1/leads/{id}/notes/{noteId}', {
          params: { path: { id: lead.id, noteId: note.id } },
          keepalive: true,
        }),
      );
      stir();
    },
    said: t('note.deleted'),
    failed: t('note.deleted.failed'),
    // Nobody else's words are put down under the visitor's name.
    ...(note.author.id === knownMe()?.user.id
      ? {
          again: async () => {
            await ok(api.POST('/api/v1/leads/{id}/notes', { ...at(lead.id), body: { text: note.text } }));
            stir();
          },
        }
      : {}),
  });
}

/** Gives a lead to a member, or to nobody, from a list: a refusal is said at the lower edge. */
export const assignLead = (lead: LeadRow | Lead, member: Member | null) =>
  patchLead(lead, { ownerId: member?.id ?? null }, member).catch((error: unknown) => sayRefused(lead, error));
