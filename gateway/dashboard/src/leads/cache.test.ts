import { beforeEach, describe, expect, it } from 'vitest';
import type { InfiniteData } from '@tanstack/react-query';
import type { Lead, LeadPage, LeadRow, Status } from '../api/model';
import { queryClient } from '../query';
import { addRow, dropRow, editLead, findRow, putMoved, putRow, remember } from './cache';
import { inverse, patched } from './changes';
import { groups } from './bulk';
import { keys } from './queries';

const ZONE = 'UTC';
const row = (id: string, status: Status = 'New', version = 1): LeadRow => ({
  id,
  name: id,
  email: null,
  phone: null,
  company: 'Redwood',
  source: 'Website',
  status,
  tags: ['vip'],
  owner: { id: 'u1', name: 'Amara' },
  createdBy: { id: 'u1', name: 'Amara' },
  createdAt: '2026-11-23T09:00:00.000Z',
  updatedAt: '2026-11-23T09:00:00.000Z',
  statusChangedAt: '2026-11-23T09:00:00.000Z',
  lastActivityAt: '2026-11-23T09:00:00.000Z',
  nextFollowUpAt: null,
  version,
  noteCount: 0,
});
type Pages = InfiniteData<LeadPage, string | undefined>;
const pages = (...items: LeadRow[][]): Pages => ({
  pages: items.map((page) => ({
    items: page,
    nextCursor: null,
    total: { value: items.flat().length, relation: 'eq' },
  })),
  pageParams: items.map(() => undefined),
});
const ids = (key: readonly unknown[]) =>
  queryClient.getQueryData<Pages>(key)?.pages.flatMap((page) => page.items.map((one) => one.id));
const total = (key: readonly unknown[]) => queryClient.getQueryData<Pages>(key)?.pages[0]?.total.value;

const LIST = keys.list({}, ZONE);
const NEW = keys.column('New', {}, ZONE);
const QUALIFIED = keys.column('Qualified', {}, ZONE);
const OTHERS = keys.column('Qualified', { owner: 'none' }, ZONE);

beforeEach(() => {
  queryClient.clear();
  queryClient.setQueryData(LIST, pages([row('a'), row('b')], [row('c', 'Qualified')]));
  queryClient.setQueryData(NEW, pages([row('a'), row('b')]));
  queryClient.setQueryData(QUALIFIED, pages([row('c', 'Qualified')]));
  queryClient.setQueryData(OTHERS, pages([]));
});

describe('an optimistic move', () => {
  it('takes the card to the top of its new column and keeps both counts true', () => {
    putRow({ ...row('b'), status: 'Qualified' });
    expect(ids(NEW)).toEqual(['a']);
    expect(ids(QUALIFIED)).toEqual(['b', 'c']);
    expect([total(NEW), total(QUALIFIED)]).toEqual([1, 2]);
    expect(ids(LIST)).toEqual(['a', 'b', 'c']);
  });
  it('does not show the card where a filter keeps it out', () => {
    putRow({ ...row('b'), status: 'Qualified' });
    expect(ids(OTHERS)).toEqual([]);
  });
  it('goes back whole when the server refuses', () => {
    const back = remember();
    putRow({ ...row('b'), status: 'Qualified' });
    dropRow('a');
    back();
    expect(ids(NEW)).toEqual(['a', 'b']);
    expect(ids(QUALIFIED)).toEqual(['c']);
    expect([total(NEW), total(QUALIFIED), total(LIST)]).toEqual([2, 1, 3]);
  });
});

describe('a move that another has made', () => {
  it('of a lead that is not loaded puts its card on top, and both counts are true at once', () => {
    putMoved(row('z', 'Qualified'), 'New');
    expect(ids(QUALIFIED)).toEqual(['z', 'c']);
    expect([total(NEW), total(QUALIFIED)]).toEqual([1, 2]);
    expect([ids(OTHERS), total(OTHERS)]).toEqual([[], 0]);
  });
  it('is not guessed of a column whose filter can’t be judged here', () => {
    const searched = keys.column('Qualified', { q: 'redwood' }, ZONE);
    queryClient.setQueryData(searched, pages([]));
    putMoved(row('z', 'Qualified'), 'New');
    expect(ids(searched)).toEqual([]);
  });
  it('of a lead that is known elsewhere counts it out of a column that was not scrolled as far as it', () => {
    queryClient.setQueryData<Lead>(keys.lead('z'), { ...row('z'), notes: [] } as unknown as Lead);
    editLead('z', (one) => ({ ...one, status: 'Qualified' }), 'New');
    expect([total(NEW), ids(QUALIFIED)]).toEqual([1, ['z', 'c']]);
  });
});

describe('a lead that comes or goes', () => {
  it('is put on top once, however often it is told of', () => {
    addRow(row('d'));
    addRow(row('d'));
    expect(ids(LIST)).toEqual(['d', 'a', 'b', 'c']);
    expect(total(LIST)).toBe(4);
    expect(ids(NEW)).toEqual(['d', 'a', 'b']);
  });
  it('does not push itself into an ordered or searched list', () => {
    const sorted = keys.list({ sort: 'name' }, ZONE);
    queryClient.setQueryData(sorted, pages([row('a')]));
    addRow(row('d'));
    expect(ids(sorted)).toEqual(['a']);
  });
  it('leaves every list', () => {
    dropRow('c');
    expect(ids(LIST)).toEqual(['a', 'b']);
    expect(ids(QUALIFIED)).toEqual([]);
  });
});

it('the newest state that is known is found, in lists or on the lead’s own page', () => {
  queryClient.setQueryData<Lead>(keys.lead('a'), { ...row('a', 'New', 1), notes: [] } as unknown as Lead);
  queryClient.setQueryData(NEW, pages([row('a', 'New', 4)]));
  expect(findRow('a')?.version).toBe(4);
  editLead('a', (one) => ({ ...one, name: 'Ada', version: 5 }));
  expect(findRow('a')).toMatchObject({ name: 'Ada', version: 5 });
});

it('a patch is shown as the server would answer it, and its inverse takes it back', () => {
  const before = row('a');
  const patch = { company: null, tags: ['vip', 'new'], ownerId: 'u2' };
  const after = patched(before, patch, { id: 'u2', name: 'Mei' });
  expect(after).toMatchObject({ company: null, tags: ['vip', 'new'], owner: { id: 'u2', name: 'Mei' } });
  expect(inverse(before, patch)).toEqual({ company: 'Redwood', tags: ['vip'], ownerId: 'u1' });
});

it('a bulk undo is one call for each value that leads had', () => {
  const map = groups([row('a'), row('b', 'Lost'), row('c')], (one) => one.status);
  expect([...map]).toEqual([
    ['New', ['a', 'c']],
    ['Lost', ['b']],
  ]);
});
