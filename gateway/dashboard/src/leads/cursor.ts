/** The lead that the keyboard is on: an id, as rows come and go above it. `at`: where it stood when it was gone to. */
export interface Cursor {
  id: string;
  at: number;
}
type Rows = readonly { id: string }[];

/** Where the cursor's lead stands now; -1: it is not in the list any more. */
export const placeOf = (cursor: Cursor | null, rows: Rows): number =>
  cursor === null ? -1 : rows[cursor.at]?.id === cursor.id ? cursor.at : rows.findIndex((row) => row.id === cursor.id);

/** The place a step further. From a lead that has left the list, it is counted from where it stood. */
export function stepped(cursor: Cursor | null, rows: Rows, step: 1 | -1): number {
  const here = placeOf(cursor, rows);
  const next = here >= 0 ? here + step : cursor === null ? 0 : step > 0 ? cursor.at : cursor.at - 1;
  return Math.max(0, Math.min(rows.length - 1, next));
}
