import { expect, it } from 'vitest';
import type { Activity, Note } from '../api/model';
import { inOrder } from './story';

const note = (hour: number) => ({ id: `n${hour}`, createdAt: `2026-11-23T${hour}:00:00Z` }) as Note;
const entry = (hour: number, type = 'lead.updated') =>
  ({ id: `e${hour}`, at: `2026-11-23T${hour}:00:00Z`, type }) as Activity;
const told = (...args: Parameters<typeof inOrder>) =>
  inOrder(...args).map((run) => ('notes' in run ? run.notes : run.entries).map((one) => one.id).join(' '));

it('notes stand between the changes before and after them', () => {
  expect(told([note(14), note(13), note(11)], false, [entry(15), entry(12), entry(10)], false)).toEqual([
    'e15',
    'n14 n13',
    'e12',
    'n11',
    'e10',
  ]);
});
it('a note is told once, and not by the log again', () => {
  expect(told([note(14)], false, [entry(14, 'lead.note_added'), entry(13)], false)).toEqual(['n14', 'e13']);
});
it('what is older than the loaded part of the other waits for the rest of it', () => {
  expect(told([note(14), note(11)], false, [entry(15), entry(12)], true)).toEqual(['e15', 'n14', 'e12']);
  expect(told([note(14), note(13)], true, [entry(15), entry(12)], false)).toEqual(['e15', 'n14 n13']);
});
