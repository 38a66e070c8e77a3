import sentences from './server.de.json';

/** What the server calls the fields of a lead, at the start of what is wrong with a row. */
const FIELDS: Record<string, string> = {
  name: 'Name',
  email: 'E-Mail',
  phone: 'Telefon',
  company: 'Firma',
  source: 'Quelle',
  status: 'Phase',
  tags: 'Schlagwörter',
  owner: 'Zuständig',
  createdAt: 'Erstellt',
  statusChangedAt: 'In dieser Phase seit',
  note: 'Notiz',
};

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\`]/g, '\\$&');
const patterns = Object.entries(sentences).map(([english, german]) => {
  const source = english
    .split(/(\{\w+\})/)
    .map((part) =>
      part.startsWith('{') ? `(?<${part.slice(1, -1)}>${/^.[nm]\}/.test(part) ? '[\\d,]+' : '.+'})` : literal(part),
    )
    .join('');
  return { pattern: new RegExp(`^${source}$`, 's'), german };
});

function whole(sentence: string): string | undefined {
  for (const { pattern, german } of patterns) {
    const found = pattern.exec(sentence);
    if (!found) continue;
    return german.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = found.groups?.[name] ?? '';
      return name === 'said' ? inGerman(value) : value;
    });
  }
  const space = sentence.indexOf(' ');
  const label = FIELDS[sentence.slice(0, space)];
  return label && `${label}: ${inGerman(sentence.slice(space + 1))}`;
}

/** What the server said, in German; what nobody has translated stays as it is. */
export function inGerman(sentence: string): string {
  return (
    each(sentence, '; ') ??
    whole(sentence) ??
    each(sentence, ', ') ??
    (sentence.includes('; ') ? sentence.split('; ').map(inGerman).join('; ') : sentence)
  );
}

/** Several sentences, if every one is known. */
function each(sentence: string, mark: string): string | undefined {
  const parts = sentence.split(mark);
  if (parts.length < 2) return undefined;
  const known = parts.map(whole);
  return known.includes(undefined) ? undefined : known.join(mark);
}
