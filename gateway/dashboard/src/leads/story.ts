import type { Activity, Note } from '../api/model';

/** A run of notes, or of entries of the log, that stand one after the other. */
export type Run = { notes: Note[] } | { entries: Activity[] };

/**
 * Notes and log in one order, newest first. Of what is loaded in parts only so much is told as is loaded of both: the rest would
 * stand in the wrong place.
 */
export function inOrder(notes: Note[], moreNotes: boolean, entries: Activity[], moreEntries: boolean): Run[] {
  const oldest = (times: string[], more: boolean) => (more ? Date.parse(times.at(-1) ?? '') : Number.NEGATIVE_INFINITY);
  const since = Math.max(
    oldest(
      notes.map((note) => note.createdAt),
      moreNotes,
    ),
    oldest(
      entries.map((entry) => entry.at),
      moreEntries,
    ),
  );
  const all: ({ at: number; note: Note } | { at: number; entry: Activity })[] = [
    ...notes.map((note) => ({ at: Date.parse(note.createdAt), note })),
    // A note stands there in full: what the log says of it would say it twice.
    ...entries
      .filter((entry) => !entry.type.startsWith('lead.note_'))
      .map((entry) => ({ at: Date.parse(entry.at), entry })),
  ];
  const runs: Run[] = [];
  for (const one of all.filter(({ at }) => !(at < since)).sort((a, b) => b.at - a.at)) {
    const last = runs.at(-1);
    if ('note' in one) {
      if (last && 'notes' in last) last.notes.push(one.note);
      else runs.push({ notes: [one.note] });
    } else if (last && 'entries' in last) last.entries.push(one.entry);
    else runs.push({ entries: [one.entry] });
  }
  return runs;
}
