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
