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

/** What a file shows at once, before the server has looked at it. */
export interface Look {
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
  const cut = file.size > bytes.length ? bytes.lastIndexOf(0x0a) + 1 || bytes.length : bytes.length;
  const head = bytes.subarray(0, cut);
  const text = decode(head);
  const [headers, ...rows] = parse(text, delimiterOf(text), SHOWN + 1);
  if (!headers || rows.length === 0) return 'empty';
  return { headers, rows, head: file.size > WHOLE_BYTES ? new File([head], file.name, { type: file.type }) : null };
}
