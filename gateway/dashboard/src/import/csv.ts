/** The text of a file: UTF-8 (with or without its mark), else Windows-1252, in which every byte means something. */
export function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The delimiter that splits the first line into the most cells. */
export function delimiterOf(text: string): ',' | ';' | '\t' {
  let quoted = false;
  const counts = { ',': 0, ';': 0, '\t': 0 };
  for (const letter of text) {
    if (letter === '"') quoted = !quoted;
    else if (!quoted && (letter === '\n' || letter === '\r')) break;
    else if (!quoted && letter in counts) counts[letter as ',' | ';' | '\t'] += 1;
  }
  return (['\t', ';', ','] as const).reduce((best, one) => (counts[one] > counts[best] ? one : best), ',');
}

/** The rows of RFC 4180 text, empty ones left out, at most so many. */
export function parse(text: string, delimiter: string, most = Number.POSITIVE_INFINITY): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    cell = '';
    if (row.some((one) => one.trim() !== '')) rows.push(row);
    row = [];
  };
  for (let i = text.startsWith('\uFEFF') ? 1 : 0; i < text.length && rows.length < most; i += 1) {
    const letter = text[i] as string;
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (letter === '"' && cell === '') quoted = true;
    else if (letter === delimiter) {
      row.push(cell);
      cell = '';
    } else if (letter === '\n') endRow();
    else if (letter === '\r') {
      if (text[i + 1] === '\n') i += 1;
      endRow();
    } else cell += letter;
  }
  if (rows.length < most && (cell !== '' || row.length)) endRow();
  return rows;
}

const QUOTE = 0x22;
const isEnd = (byte: number | undefined) => byte === 0x0a || byte === 0x0d;

/** Where the cell that begins there ends. */
function cellEnd(bytes: Uint8Array, from: number, split: number): number {
  let at = from;
  for (let quoted = false; at < bytes.length && (quoted || (bytes[at] !== split && !isEnd(bytes[at]))); at += 1)
    if (bytes[at] === QUOTE) quoted = !quoted;
  return at;
}

/**
 * Tells apart columns of one name by a number behind all but the first, so that each can be given its own meaning. Works on
 * bytes, as the encoding of the rest is not to be changed. Answers the row of headers anew, with what was above it, and where it
 * ended; nothing if all differ.
 */
export function distinctHeaders(bytes: Uint8Array, delimiter: string): { rows: Uint8Array[]; end: number } | null {
  const split = delimiter.charCodeAt(0);
  const hasMark = [0xef, 0xbb, 0xbf].every((mark, i) => bytes[i] === mark);
  for (let begin = hasMark ? 3 : 0; begin < bytes.length;) {
    const rows = [bytes.subarray(0, begin)];
    const times = new Map<string, number>();
    let at = begin;
    for (;;) {
      const end = cellEnd(bytes, at, split);
      const cell = bytes.subarray(at, end);
      const name = (parse(decode(cell), delimiter)[0]?.[0] ?? '').trim().toLowerCase();
      const count = (times.get(name) ?? 0) + 1;
      times.set(name, count);
      const inside = count > 1 && cell.at(-1) === QUOTE ? cell.length - 1 : cell.length;
      rows.push(cell.subarray(0, inside));
      if (count > 1) rows.push(new TextEncoder().encode(` (${count})`), cell.subarray(inside));
      at = end;
      if (bytes[at] !== split) break;
      rows.push(bytes.subarray(at, at + 1));
      at += 1;
    }
    const blank = times.size === 1 && times.has('');
    if (!blank) return [...times.values()].some((count) => count > 1) ? { rows, end: at } : null;
    // An empty row above the headers is passed over, as by whoever reads the file.
    begin = at;
    while (begin < bytes.length && isEnd(bytes[begin])) begin += 1;
  }
  return null;
}

/** What a file shows at once, before the server has looked at it. */
export interface Look {
  /** The file, with its columns told apart. */
  file: File;
  headers: string[];
  rows: string[][];
  /** The beginning of a file that is too large to be looked at whole; whole rows. */
  head: File | null;
}

// Up to here the server looks at the whole file, and says exactly what will become of it.
const WHOLE_BYTES = 8_000_000;
const HEAD_BYTES = 400_000;
const SHOWN = 20;

/** Looks at a file: `null` for a workbook, which only the server can read. */
export async function look(file: File): Promise<Look | 'empty' | null> {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  // A workbook is an archive.
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return null;
  const named = distinctHeaders(bytes, delimiterOf(decode(bytes)));
  if (named)
    return look(new File([...(named.rows as BlobPart[]), file.slice(named.end)], file.name, { type: file.type }));
  const cut = file.size > bytes.length ? bytes.lastIndexOf(0x0a) + 1 || bytes.length : bytes.length;
  const head = bytes.subarray(0, cut);
  const text = decode(head);
  const [headers, ...rows] = parse(text, delimiterOf(text), SHOWN + 1);
  if (!headers || rows.length === 0) return 'empty';
  return {
    file,
    headers,
    rows,
    head: file.size > WHOLE_BYTES ? new File([head], file.name, { type: file.type }) : null,
  };
}
