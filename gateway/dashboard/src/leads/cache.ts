import type { InfiniteData } from '@tanstack/react-query';
import type { Lead, LeadPage, LeadRow, Note, Status } from '../api/model';
import { queryClient } from '../query';
import { knownMe } from '../shell/me';
import { admits, fits, type LeadFilter } from './filter';
import { own } from './held';
import { keys, withoutGone } from './queries';

type Pages = InfiniteData<LeadPage, string | undefined>;
const isPages = (data: unknown): data is Pages =>
  typeof data === 'object' && data !== null && Array.isArray((data as Partial<Pages>).pages);

/** What a list's rows have of a lead. */
export function toRow(lead: Lead): LeadRow {
  const { notes, ...row } = lead;
  return { ...row, noteCount: notes.length };
}

/** Keeps everything that is known of leads, to put it back if a change is refused. */
export function remember(): () => void {
  void queryClient.cancelQueries({ queryKey: keys.lists });
  const before = [
    ...queryClient.getQueriesData({ queryKey: keys.lists }),
    ...queryClient.getQueriesData({ queryKey: ['lead'] }),
  ];
  return () => {
    for (const [key, data] of before) queryClient.setQueryData(key, data);
    void queryClient.invalidateQueries({ queryKey: keys.lists });
    void queryClient.invalidateQueries({ queryKey: ['lead'] });
  };
}

function eachList(edit: (pages: Pages, key: readonly unknown[]) => Pages) {
  for (const query of queryClient.getQueryCache().findAll({ queryKey: keys.lists })) {
    const data = query.state.data;
    if (isPages(data)) queryClient.setQueryData(query.queryKey, edit(data, query.queryKey));
  }
}

const mapRows = (pages: Pages, edit: (row: LeadRow) => LeadRow | null, shift = 0): Pages => ({
  ...pages,
  pages: pages.pages.map((page) => ({
    ...page,
    items: page.items.flatMap((row) => edit(row) ?? []),
    total: { ...page.total, value: Math.max(0, page.total.value + shift) },
  })),
});

const holds = (pages: Pages, id: string) => pages.pages.some((page) => page.items.some((row) => row.id === id));

const onTop = (pages: Pages, row: LeadRow): Pages => {
  const [first, ...rest] = mapRows(pages, (one) => one, 1).pages;
  return first ? { ...pages, pages: [{ ...first, items: [row, ...first.items] }, ...rest] } : pages;
};

/**
 * Puts a lead's new state wherever the lead is shown, and moves it to its column of the pipeline.
 * `from`: the stage that it was in, if its column may not have been scrolled as far as it.
 */
export function putRow(row: LeadRow, from?: Status) {
  eachList((pages, key) => {
    if (key[1] === 'column') {
      const here = holds(pages, row.id);
      const filter = (key[3] ?? {}) as LeadFilter;
      if (key[2] !== row.status) {
        if (here) return mapRows(pages, (one) => (one.id === row.id ? null : one), -1);
        const left =
          from !== undefined && key[2] === from && admits(filter, { ...row, status: from }, knownMe()?.user.id);
        return left ? mapRows(pages, (one) => one, -1) : pages;
      }
      if (!here) return fits(filter, row) ? onTop(pages, row) : pages;
    }
    return mapRows(pages, (one) => (one.id === row.id ? row : one));
  });
}

/** Puts a lead that another has moved, and that no list here has, into its column, and counts it out of the one before. */
export function putMoved(row: LeadRow, from: Status) {
  const me = knownMe()?.user.id;
  eachList((pages, key) => {
    if (key[1] !== 'column' || holds(pages, row.id)) return pages;
    const filter = (key[3] ?? {}) as LeadFilter;
    if (key[2] === row.status) return admits(filter, row, me) ? onTop(pages, row) : pages;
    return key[2] === from && admits(filter, { ...row, status: from }, me) ? mapRows(pages, (one) => one, -1) : pages;
  });
}

/** Puts a lead that was just made on top of the lists that it may belong to. */
export function addRow(row: LeadRow) {
  eachList((pages, key) => {
    if (holds(pages, row.id)) return pages;
    if (key[1] === 'column')
      return key[2] === row.status && fits((key[3] ?? {}) as LeadFilter, row) ? onTop(pages, row) : pages;
    const filter = (key[2] ?? {}) as LeadFilter;
    return key[1] === 'list' && !filter.trashed && !filter.q && !filter.sort && fits(filter, row)
      ? onTop(pages, row)
      : pages;
  });
}

export function dropRow(id: string) {
  eachList((pages) => (holds(pages, id) ? mapRows(pages, (one) => (one.id === id ? null : one), -1) : pages));
}

/** Changes what is known of one lead, if anything is. */
export function editLead(id: string, edit: (row: LeadRow) => LeadRow, from?: Status) {
  const rows = findRow(id);
  if (rows) putRow(edit(rows), from);
  queryClient.setQueryData<Lead>(keys.lead(id), (lead) =>
    lead ? { ...lead, ...edit(toRow(lead)), notes: lead.notes } : lead,
  );
}

export function editNotes(id: string, edit: (notes: Note[]) => Note[]) {
  queryClient.setQueryData<Lead>(keys.lead(id), (lead) => (lead ? { ...lead, notes: edit(lead.notes) } : lead));
}

/** The newest state of a lead in any list, or of its own page. */
export function findRow(id: string): LeadRow | undefined {
  let found: LeadRow | undefined;
  const own = queryClient.getQueryData<Lead>(keys.lead(id));
  if (own) found = toRow(own);
  for (const [, data] of queryClient.getQueriesData({ queryKey: keys.lists })) {
    if (!isPages(data)) continue;
    for (const page of data.pages)
      for (const row of page.items) if (row.id === id && (!found || row.version > found.version)) found = row;
  }
  return found;
}

/** Puts the server's answer to a write everywhere. */
export function settleLead(lead: Lead) {
  // What was asked for before this was written may come without it, and would put the lead back for a moment.
  void queryClient.cancelQueries({ queryKey: keys.lists });
  own(lead.id);
  putRow(toRow(lead));
  queryClient.setQueryData(keys.lead(lead.id), withoutGone(lead));
  void queryClient.invalidateQueries({ queryKey: ['duplicates', lead.id] });
  stir();
}

// A list that was scrolled this far is not read again as a whole for one change: its rows were changed in place.
const SHORT_PAGES = 3;

/** Has the lists and counts of leads read again. */
export function readLists() {
  const long = (data: unknown) => isPages(data) && data.pages.length > SHORT_PAGES;
  void queryClient.invalidateQueries({ queryKey: keys.lists, predicate: (query) => !long(query.state.data) });
  void queryClient.invalidateQueries({
    queryKey: keys.lists,
    predicate: (query) => long(query.state.data),
    refetchType: 'none',
  });
}

let timers: ReturnType<typeof setTimeout>[] = [];
/**
 * Has everything that is derived from leads read again soon. Figures follow a write within two seconds; they are read
 * early for the common case and once more for the slow one.
 */
export function stir() {
  for (const timer of timers) clearTimeout(timer);
  const read = (names: string[]) => {
    for (const name of names) void queryClient.invalidateQueries({ queryKey: [name] });
  };
  timers = [
    setTimeout(() => {
      readLists();
      read(['figures', 'lead', 'activity']);
    }, 500),
    setTimeout(() => read(['figures']), 2_200),
  ];
}
