import {
  ENTERABLE,
  type Enterable,
  IMPORT_OUTCOMES,
  type ImportOutcome,
  type LeadQuery,
  type Reachable,
  REACHABLE,
  type Source,
  SOURCES,
  type Status,
  STATUSES,
} from '../api/model';
import { type Day, isDay } from '../time/zone';

export const FOLLOW_UPS = ['overdue', 'today', 'later', 'none'] as const;
export type FollowUp = (typeof FOLLOW_UPS)[number];
export const SORTS = ['createdAt', 'updatedAt', 'name', 'company', 'status'] as const;
export type SortField = (typeof SORTS)[number];
export type Sort = SortField | `-${SortField}`;

/** An instant as the API writes it. */
export type Instant = string;

/** Which leads are shown, in what order: all of it lives in the URL, so that a view can be kept, shared and gone back to. */
export interface LeadFilter {
  q?: string;
  status?: Status[];
  /** Ever were in one of these stages, or further: what the funnel counts. */
  reached?: Reachable[];
  source?: Source[];
  tag?: string[];
  /** A member's id, `me` or `none`. */
  owner?: string;
  followUp?: FollowUp;
  /** Days without any activity, at least. */
  inactive?: number;
  createdFrom?: Day;
  createdTo?: Day;
  /** A day, or an instant: as exact as an import knows when it changed leads. */
  updatedFrom?: Day | Instant;
  updatedTo?: Day | Instant;
  /** A stage that they entered, wherever they are now; with the days below, what a report counts. */
  entered?: Enterable;
  /** When they entered that stage last; without one, the stage that they are in. */
  enteredFrom?: Day;
  enteredTo?: Day;
  /** The import that made or changed them. */
  import?: string;
  importOutcome?: ImportOutcome;
  trashed?: true;
  sort?: Sort;
}

const list = (value: unknown): string[] =>
  (Array.isArray(value) ? value : typeof value === 'string' || typeof value === 'number' ? [value] : [])
    .map(String)
    .filter(Boolean);
const many = <T extends string>(all: readonly T[], value: unknown): T[] | undefined => {
  const wanted = new Set(list(value).flatMap((one) => one.split(',')));
  const known = all.filter((one) => wanted.has(one));
  return known.length ? known : undefined;
};
const one = <T extends string>(all: readonly T[], value: unknown): T | undefined =>
  all.find((known) => known === value);
const text = (value: unknown): string | undefined => list(value)[0]?.trim() || undefined;
const date = (value: unknown) => (isDay(value) ? value : undefined);
const id = (value: unknown) =>
  typeof value === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value) ? value : undefined;
const instant = (value: unknown): Instant | undefined =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(value) &&
  !Number.isNaN(Date.parse(value))
    ? value
    : undefined;

function sort(value: unknown): Sort | undefined {
  if (typeof value !== 'string') return undefined;
  const field = one(SORTS, value.replace(/^-/, ''));
  if (!field) return undefined;
  const full: Sort = value.startsWith('-') ? `-${field}` : field;
  return full === '-createdAt' ? undefined : full;
}

/** Reads a filter from the URL; what makes no sense is left out. */
export function parseFilter(search: Record<string, unknown>): LeadFilter {
  const tags = list(search['tag']);
  const days = Number(search['inactive']);
  const filter: LeadFilter = {
    q: text(search['q']),
    status: many(STATUSES, search['status']),
    reached: many(REACHABLE, search['reached']),
    source: many(SOURCES, search['source']),
    tag: tags.length ? tags : undefined,
    owner: text(search['owner']),
    followUp: one(FOLLOW_UPS, search['followUp']),
    inactive: Number.isInteger(days) && days > 0 && days <= 3650 ? days : undefined,
    createdFrom: date(search['createdFrom']),
    createdTo: date(search['createdTo']),
    updatedFrom: date(search['updatedFrom']) ?? instant(search['updatedFrom']),
    updatedTo: date(search['updatedTo']) ?? instant(search['updatedTo']),
    entered: one(ENTERABLE, search['entered']),
    enteredFrom: date(search['enteredFrom']),
    enteredTo: date(search['enteredTo']),
    import: id(search['import']),
    importOutcome: id(search['import']) ? one(IMPORT_OUTCOMES, search['importOutcome']) : undefined,
    trashed: search['trashed'] === 'true' || search['trashed'] === true ? true : undefined,
    sort: sort(search['sort']),
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

/** The query of the API that a filter means; civil days are meant in the zone. */
export function toQuery({ inactive, enteredFrom, enteredTo, ...same }: LeadFilter, zone: string): LeadQuery {
  const query: LeadQuery = { ...same, tz: zone };
  if (inactive) query.inactiveFor = `${inactive}d`;
  if (enteredFrom) query[same.entered ? 'enteredFrom' : 'statusChangedFrom'] = enteredFrom;
  if (enteredTo) query[same.entered ? 'enteredTo' : 'statusChangedTo'] = enteredTo;
  return query;
}

/** What narrows the list, without what orders it. */
export function conditions(filter: LeadFilter): (keyof LeadFilter)[] {
  const pairs: [keyof LeadFilter, keyof LeadFilter][] = [
    ['createdTo', 'createdFrom'],
    ['updatedTo', 'updatedFrom'],
    ['enteredTo', 'enteredFrom'],
    ['enteredTo', 'entered'],
    ['enteredFrom', 'entered'],
    ['importOutcome', 'import'],
  ];
  const second = new Set(pairs.filter(([to, from]) => filter[to] && filter[from]).map(([to]) => to));
  return (Object.keys(filter) as (keyof LeadFilter)[]).filter(
    (key) => key !== 'sort' && key !== 'q' && !second.has(key),
  );
}

/** The order after a click on a column's head: first its natural direction, then the other. */
export function nextSort(current: Sort | undefined, field: SortField): Sort | undefined {
  const natural: Sort = field === 'createdAt' || field === 'updatedAt' ? `-${field}` : field;
  const other: Sort = natural.startsWith('-') ? field : `-${field}`;
  const next = (current ?? '-createdAt') === natural ? other : natural;
  return next === '-createdAt' ? undefined : next;
}

const reaches = (status: Status, least: Reachable) =>
  REACHABLE.some((one, place) => one === status && place >= REACHABLE.indexOf(least));

/** Whether a lead is in a list for certain, by what is known of it on this side. `me`: the visitor's id. */
export function admits(
  filter: LeadFilter,
  lead: { status: Status; source: Source; tags: string[]; owner: { id: string } | null },
  me: string | undefined,
): boolean {
  const known: (keyof LeadFilter)[] = ['status', 'source', 'tag', 'owner', 'sort'];
  if (Object.keys(filter).some((key) => !known.includes(key as keyof LeadFilter))) return false;
  if (!fits(filter, lead)) return false;
  const tags = lead.tags.map((tag) => tag.toLowerCase());
  if (filter.tag && !filter.tag.some((tag) => tags.includes(tag.toLowerCase()))) return false;
  if (!filter.owner || filter.owner === 'none') return true;
  return lead.owner?.id === (filter.owner === 'me' ? me : filter.owner);
}

/** Whether a lead that has just come or changed can stay in a list by what is known of it on this side. */
export function fits(
  filter: LeadFilter,
  lead: { status: Status; source: Source; owner: { id: string } | null },
): boolean {
  if (filter.status && !filter.status.includes(lead.status)) return false;
  // Where it has been is not known here: it may have been further.
  if (filter.reached && !filter.reached.some((least) => reaches(lead.status, least))) return false;
  if (filter.source && !filter.source.includes(lead.source)) return false;
  if (filter.owner === 'none' && lead.owner) return false;
  return true;
}
