import { readFileSync } from 'node:fs';
import { compileMessage } from '@lingui/message-utils/compileMessage';
import { expect, it } from 'vitest';

const read = (language: string) =>
  JSON.parse(readFileSync(new URL(`${language}.json`, import.meta.url), 'utf8')) as Record<string, string>;
const english = read('en');
const german = read('de');

/** The names of a message's values and tags, in whatever plural form they stand. */
function parts(text: string): string[] {
  const found = new Set<string>();
  const read = (tokens: unknown) => {
    if (typeof tokens === 'string') for (const [, tag] of tokens.matchAll(/<(\w+)>/g)) found.add(`<${tag}>`);
    else if (Array.isArray(tokens))
      for (const token of tokens) {
        if (!Array.isArray(token)) read(token);
        else {
          found.add(String(token[0]));
          for (const form of Object.values((token[2] ?? {}) as object)) read(form);
        }
      }
  };
  read(compileMessage(text));
  return [...found].sort();
}

it('both languages say the same things', () => expect(Object.keys(german).sort()).toEqual(Object.keys(english).sort()));
it('every message can be compiled', () => {
  for (const messages of [english, german])
    for (const text of Object.values(messages)) expect(() => compileMessage(text)).not.toThrow();
});
it('a translation uses the values of the original', () => {
  for (const [key, text] of Object.entries(english))
    expect([key, parts(german[key] ?? '')]).toEqual([key, parts(text)]);
});
it('nothing is left untranslated that has more than a word', () => {
  const same = Object.keys(english).filter((key) => english[key] === german[key] && /\s/.test(english[key] ?? ''));
  expect(same.filter((key) => !/^(did\.reason|.*\{.*)$/.test(key) && !/^[^a-z]*$|\{/.test(english[key] ?? ''))).toEqual(
    [],
  );
});
