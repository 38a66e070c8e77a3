import { describe, expect, it } from 'vitest';
import type { LeadRow } from '../api/model';
import { placeOf, stepped } from './cursor';
import { hold } from './held';

const rows = (...ids: string[]) => ids.map((id) => ({ id }) as LeadRow);
const none = () => false;
const ids = (list: LeadRow[]) => list.map((row) => row.id);

describe('a list that is held still', () => {
  it('keeps what has come above and between out of sight, and counts it', () => {
    const held = hold(['a', 'b', 'c'], rows('x', 'a', 'y', 'b', 'c'), none);
    expect([ids(held.rows), held.fresh]).toEqual([['a', 'b', 'c'], 2]);
  });
  it('shows what follows below: the next page moves nothing', () => {
    const held = hold(['a', 'b'], rows('a', 'b', 'c', 'd'), none);
    expect([ids(held.rows), held.fresh]).toEqual([['a', 'b', 'c', 'd'], 0]);
    const more = hold(['a', 'b'], rows('x', 'a', 'b', 'c'), none);
    expect([ids(more.rows), more.fresh]).toEqual([['a', 'b', 'c'], 1]);
  });
  it('keeps its order when others change what orders it, and shows their changes', () => {
    const changed = { id: 'c', name: 'changed' } as LeadRow;
    const held = hold(['a', 'b', 'c'], [changed, ...rows('a', 'b')], none);
    expect(ids(held.rows)).toEqual(['a', 'b', 'c']);
    expect(held.rows[2]).toBe(changed);
  });
  it('lets go what has left the list', () => {
    expect(ids(hold(['a', 'b', 'c'], rows('x', 'a', 'c'), none).rows)).toEqual(['a', 'c']);
  });
  it('shows what the visitor has put there, in its place', () => {
    const mine = (id: string) => id === 'x' || id === 'y';
    const held = hold(['a', 'b'], rows('x', 'a', 'z', 'y', 'b'), mine);
    expect([ids(held.rows), held.fresh]).toEqual([['x', 'a', 'y', 'b'], 1]);
  });
});

describe('the keyboard’s place in a list', () => {
  it('stays with its lead, however many come above it', () => {
    expect(placeOf({ id: 'b', at: 1 }, rows('x', 'y', 'a', 'b'))).toBe(3);
    expect(stepped({ id: 'b', at: 1 }, rows('x', 'a', 'b', 'c'), 1)).toBe(3);
  });
  it('is nowhere when its lead has left, and goes on from where that stood', () => {
    const gone = { id: 'b', at: 1 };
    expect(placeOf(gone, rows('a', 'c', 'd'))).toBe(-1);
    expect(stepped(gone, rows('a', 'c', 'd'), 1)).toBe(1);
    expect(stepped(gone, rows('a', 'c', 'd'), -1)).toBe(0);
  });
  it('begins at the top and stays within the list', () => {
    expect(stepped(null, rows('a', 'b'), 1)).toBe(0);
    expect(stepped({ id: 'b', at: 1 }, rows('a', 'b'), 1)).toBe(1);
    expect(stepped({ id: 'a', at: 0 }, rows('a', 'b'), -1)).toBe(0);
  });
});
