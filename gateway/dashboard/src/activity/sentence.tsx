import type { ReactElement, ReactNode } from 'react';
import type { Activity, Source, Status } from '../api/model';
import { STATUSES, SOURCES } from '../api/model';
import { type Key, rich, t } from '../words';

const FIELDS: Record<string, Key> = {
  name: 'field.name',
  email: 'field.emailName',
  phone: 'field.phone',
  company: 'field.company',
  source: 'field.source',
  tags: 'field.tags',
  ownerId: 'field.owner',
  owner: 'field.owner',
};
export const fieldName = (field: string) => (FIELDS[field] ? t(FIELDS[field]) : field);

const text = (value: unknown) => (typeof value === 'string' ? value : '');
const status = (value: unknown) => (STATUSES.includes(value as Status) ? t(`status.${value as Status}`) : text(value));
const source = (value: unknown) => (SOURCES.includes(value as Source) ? t(`source.${value as Source}`) : text(value));

/** An entry of the log as a sentence. `lead` renders the lead's name. */
export function sentence({ type, lead, actor, data }: Activity, name: ReactElement, own: boolean): ReactNode {
  const who = actor.name.split(/\s+/)[0] ?? '';
  const values = { lead: lead.name, who };
  const say = (key: Key, more: Record<string, string | number> = {}) =>
    rich(key, { ...values, ...more }, { b: name, q: <q /> });
  switch (type) {
    case 'lead.created':
      return say(own ? 'did.created.own' : 'did.created', { source: source(data['source']) });
    case 'lead.status_changed': {
      const reason = text(data['reason']);
      const moved =
        data['to'] === 'Converted'
          ? say(own ? 'did.won.own' : 'did.won')
          : say(own ? 'did.moved.own' : 'did.moved', { to: status(data['to']), from: status(data['from']) });
      return reason ? (
        <>
          {moved} {rich('did.reason', { reason }, { q: <q /> })}
        </>
      ) : (
        moved
      );
    }
    case 'lead.updated': {
      const fields = Object.keys((data['changes'] ?? {}) as object).map(fieldName);
      return say(own ? 'did.updated.own' : 'did.updated', { fields: fields.join(', ') });
    }
    case 'lead.note_added':
      return say(own ? 'did.noted.own' : 'did.noted', { text: text(data['text']) });
    case 'lead.note_deleted':
      return say(own ? 'did.noteDeleted.own' : 'did.noteDeleted');
    case 'lead.deleted':
      // What is left of it has no name.
      if (data['permanent'] === true) return say('did.erased');
      if (data['undoneImportId']) return say(own ? 'did.undone.own' : 'did.undone');
      return say(own ? 'did.deleted.own' : 'did.deleted');
    case 'lead.restored':
      return say(own ? 'did.restored.own' : 'did.restored');
    case 'lead.merged':
      return say(own ? 'did.merged.own' : 'did.merged');
    case 'lead.unmerged':
      return say(own ? 'did.unmerged.own' : 'did.unmerged');
    case 'lead.imported':
      return say(own ? 'did.imported.own' : 'did.imported');
    default:
      return say(own ? 'did.other.own' : 'did.other');
  }
}
