import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { inGerman } from './server';
import sentences from './server.de.json';

// What stands in a sentence but not in the source: it is put in by the server.
const INSERTED =
  /\{\w+\}|\b(?:email|phone|lead|note|reminder|member|invitation|the import|taking it back)\b|\b\d+ (?=tags)/;
const root = fileURLToPath(new URL('../../../..', import.meta.url));
const sources = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : name.endsWith('.rs') ? [path] : [];
  });

describe('what the server says', () => {
  it('is translated with its values', () => {
    expect(inGerman('must be at most 200 characters long')).toBe('darf höchstens 200 Zeichen haben');
    expect(inGerman('must be one of Website, Referral, Ad, Other')).toBe(
      'muss eins von diesen sein: Website, Referral, Ad, Other',
    );
  });
  it('is translated reason by reason, with the name of the field', () => {
    expect(
      inGerman('email must be an email address such as ana@example.com; name is required and must not be blank'),
    ).toBe('E-Mail: muss eine E-Mail-Adresse sein, etwa ana@example.com; Name: darf nicht leer sein');
    expect(inGerman('tags must be at most 50 characters long, must be at most 50 tags')).toMatch(/^Schlagwörter: /);
  });
  it('tells a row apart from a lead', () => {
    expect(inGerman('the same email as a row before it')).toBe('dieselbe E-Mail-Adresse wie eine Zeile davor');
    expect(inGerman('the same phone as Ada; Co: nothing to change')).toBe(
      'dieselbe Telefonnummer wie Ada; Co: nichts zu ändern',
    );
  });
  it('is left as it is where nobody has translated it', () => {
    expect(inGerman('the moon is full')).toBe('the moon is full');
    expect(inGerman('name is required and must not be blank; the moon is full')).toBe(
      'Name: darf nicht leer sein; the moon is full',
    );
  });
  it('is still said so by the server', () => {
    const said = ['services', 'gateway/src', 'crates']
      .flatMap((folder) => sources(join(root, folder)))
      .map((path) => readFileSync(path, 'utf8').replace(/\\\n\s*/g, ''))
      .join('\n');
    const gone = Object.keys(sentences).filter((sentence) =>
      sentence.split(INSERTED).some((part) => part.trim().length > 3 && !said.includes(part.trim())),
    );
    expect(gone).toEqual([]);
  });
});
