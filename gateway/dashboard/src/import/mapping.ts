import { SOURCES, STATUSES } from '../api/model';
import { type Key, t } from '../words';

/** What a column of a file can mean. */
export const FIELDS = [
  'name',
  'email',
  'phone',
  'company',
  'source',
  'status',
  'tags',
  'owner',
  'createdAt',
  'notes',
] as const;
export type Field = (typeof FIELDS)[number];

export const LABELS: Record<Field, Key> = {
  name: 'field.name',
  email: 'field.emailName',
  phone: 'field.phone',
  company: 'field.company',
  source: 'leads.source',
  status: 'leads.status',
  tags: 'field.tags',
  owner: 'leads.owner',
  createdAt: 'leads.created',
  notes: 'leads.notes',
};

const SYNONYMS: Record<Field, string[]> = {
  name: ['name', 'fullname', 'leadname', 'contact', 'contactname', 'lead', 'kontakt'],
  email: ['email', 'emailaddress', 'mail', 'epost'],
  phone: ['phone', 'phonenumber', 'mobile', 'mobilephone', 'telephone', 'tel', 'cell', 'telefon', 'handy'],
  company: ['company', 'companyname', 'organization', 'organisation', 'account', 'business', 'firma', 'unternehmen'],
  source: ['source', 'leadsource', 'origin', 'channel', 'quelle'],
  status: ['status', 'stage', 'leadstatus', 'state', 'phase'],
  tags: ['tags', 'tag', 'labels', 'label', 'categories'],
  owner: ['owner', 'assignedto', 'assignee', 'leadowner', 'zustandig'],
  createdAt: ['createdat', 'created', 'createdate', 'datecreated', 'createdon', 'date', 'erstellt', 'erstelltam'],
  notes: ['notes', 'note', 'comment', 'comments', 'description', 'notiz', 'notizen'],
};

const plain = (text: string) =>
  text
    .normalize('NFD')
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
    .toLowerCase();

/** What each column probably means: by its name, each field once. */
export function guess(headers: string[]): (Field | null)[] {
  const taken = new Set<Field>();
  return headers.map((header) => {
    const word = plain(header);
    const field = FIELDS.find((one) => !taken.has(one) && SYNONYMS[one].includes(word));
    if (!field) return null;
    taken.add(field);
    return field;
  });
}

const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** What is wrong with one cell, as far as this side can tell; the server checks every row again. */
export function fault(field: Field, value: string): string | null {
  const text = value.trim();
  if (field === 'name') return text ? (text.length > 200 ? t('import.long') : null) : t('import.noName');
  if (!text) return null;
  if (field === 'email' && !EMAIL.test(text)) return t('field.email');
  if (field === 'source' && !SOURCES.some((one) => one.toLowerCase() === text.toLowerCase()))
    return t('import.oneOf', { list: SOURCES.join(', ') });
  if (field === 'status' && !STATUSES.some((one) => one.toLowerCase() === text.toLowerCase()))
    return t('import.oneOf', { list: STATUSES.join(', ') });
  if (field === 'createdAt' && Number.isNaN(Date.parse(text))) return t('import.date');
  return null;
}
