import { describe, expect, it } from 'vitest';
import { admits, conditions, fits, type LeadFilter, nextSort, parseFilter, toQuery } from './filter';
import { parseSearch, stringifySearch } from '../search';

const throughUrl = (filter: LeadFilter) => parseFilter(parseSearch(stringifySearch({ ...filter })));

describe('a filter', () => {
  it('goes through the address and back unchanged', () => {
    const filters: LeadFilter[] = [
      {},
      { q: 'ada & co + 44 ?#', status: ['New', 'Lost'], source: ['Website'], owner: 'me' },
      { reached: ['Qualified', 'Converted'], createdFrom: '2026-11-01' },
      { entered: 'Contacted', enteredFrom: '2026-11-01', enteredTo: '2026-11-30' },
      { import: '0193a1b2-0000-7000-8000-00000000000a', importOutcome: 'updated' },
      { tag: ['vip', 'a, b', '50 %'], followUp: 'overdue', inactive: 14 },
      { updatedFrom: '2026-11-23T09:00:00.123456Z', updatedTo: '2026-11-23T09:00:05Z' },
      { createdFrom: '2026-11-01', createdTo: '2026-11-23', enteredFrom: '2026-11-02', trashed: true, sort: '-name' },
    ];
    for (const filter of filters) expect(throughUrl(filter)).toEqual(filter);
  });
  it('takes stages written with commas, as people type them', () => {
    expect(parseFilter(parseSearch('?status=Lost,New')).status).toEqual(['New', 'Lost']);
  });
  it('leaves out what makes no sense, and never throws', () => {
    for (const search of [
      '?status=Nope',
      '?reached=Lost',
      '?entered=New',
      '?import=7',
      '?importOutcome=created',
      '?createdFrom=2026-02-31',
      '?createdFrom=2026-11-23T09:00:00Z',
      '?updatedFrom=2026-11-23T25:00:00Z',
      '?updatedTo=yesterday',
      '?inactive=-1',
      '?inactive=x',
      '?sort=evil',
      '?followUp=1',
      '?%E0%A4%A',
      '?tag=',
    ])
      expect(parseFilter(parseSearch(search))).toEqual({});
  });
  it('becomes the query of the API', () => {
    expect(toQuery({ inactive: 14, enteredFrom: '2026-11-01', status: ['New'] }, 'Europe/London')).toEqual({
      status: ['New'],
      inactiveFor: '14d',
      statusChangedFrom: '2026-11-01',
      tz: 'Europe/London',
    });
  });
  it('asks for the days of the stage that is named, or of the present one', () => {
    const days = { enteredFrom: '2026-11-01', enteredTo: '2026-11-30' };
    expect(toQuery({ entered: 'Qualified', ...days }, 'UTC')).toEqual({ entered: 'Qualified', ...days, tz: 'UTC' });
    expect(toQuery(days, 'UTC')).toEqual({
      statusChangedFrom: '2026-11-01',
      statusChangedTo: '2026-11-30',
      tz: 'UTC',
    });
  });
  it('keeps a lead that has reached what is asked for, and one that may have', () => {
    const lead = { source: 'Ad', owner: null } as const;
    expect(fits({ reached: ['Qualified'] }, { ...lead, status: 'Converted' })).toBe(true);
    expect(fits({ reached: ['Qualified'] }, { ...lead, status: 'Contacted' })).toBe(false);
    expect(fits({ reached: ['New'] }, { ...lead, status: 'Lost' })).toBe(false);
  });
  it('lets in for certain only what can be judged on this side', () => {
    const lead = { status: 'New', source: 'Website', tags: ['Fair'], owner: { id: 'u1' } } as const;
    const given = { ...lead, tags: [...lead.tags] };
    expect(admits({ tag: ['fair', 'vip'], owner: 'me' }, given, 'u1')).toBe(true);
    expect(admits({ owner: 'me' }, given, 'u2')).toBe(false);
    expect(admits({ owner: 'u2' }, given, 'u1')).toBe(false);
    expect(admits({ tag: ['vip'] }, given, 'u1')).toBe(false);
    expect(admits({ q: 'ada' }, given, 'u1')).toBe(false);
    expect(admits({ createdFrom: '2026-11-01' }, given, 'u1')).toBe(false);
  });
  it('counts a range of dates as one condition, and the order as none', () => {
    expect(conditions({ createdFrom: '2026-11-01', createdTo: '2026-11-02', sort: 'name', q: 'x' })).toEqual([
      'createdFrom',
    ]);
    expect(conditions({ entered: 'Lost', enteredFrom: '2026-11-01', enteredTo: '2026-11-02' })).toEqual(['entered']);
    const made: LeadFilter = { import: '0193a1b2-0000-7000-8000-00000000000a', importOutcome: 'created' };
    expect(conditions(made)).toEqual(['import']);
  });
});

it('a column is first sorted in its natural direction, then in the other', () => {
  expect(nextSort(undefined, 'name')).toBe('name');
  expect(nextSort('name', 'name')).toBe('-name');
  expect(nextSort('-name', 'name')).toBe('name');
  expect(nextSort(undefined, 'createdAt')).toBe('createdAt');
  expect(nextSort('createdAt', 'createdAt')).toBeUndefined();
  expect(nextSort('name', 'updatedAt')).toBe('-updatedAt');
});
