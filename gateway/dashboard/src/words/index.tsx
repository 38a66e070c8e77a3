import { setupI18n } from '@lingui/core';
import { Trans } from '@lingui/react';
import type { ReactElement, ReactNode } from 'react';
import { useSyncExternalStore } from 'react';
import english from 'words:en';
import type source from './en.json';

/** A message's key; the English file is the source of them. */
export type Key = keyof typeof source;
export type Language = 'en' | 'de';
type Values = Record<string, string | number>;

export const LANGUAGES: Record<Language, string> = { en: 'English', de: 'Deutsch' };
const STORED = 'leadline.language';

export const i18n = setupI18n({ locale: 'en', messages: { en: english } });
const listeners = new Set<() => void>();
let sayings: ((sentence: string) => string) | undefined;

export const language = () => i18n.locale as Language;

/** Loads a language's messages and shows everything in it. */
export async function speak(next: Language, remember = false): Promise<void> {
  if (next === 'de') {
    const [messages, server] = await Promise.all([import('words:de'), import('./server')]);
    i18n.load('de', messages.default);
    sayings = server.inGerman;
  }
  i18n.activate(next);
  document.documentElement.lang = next;
  if (remember) {
    try {
      localStorage.setItem(STORED, next);
    } catch {
      // It holds for this visit then.
    }
  }
  for (const tell of listeners) tell();
}

/** The language chosen before, or the first of the browser's that there is. */
export function preferredLanguage(): Language {
  const known = (value: string | null | undefined): value is Language => value === 'en' || value === 'de';
  try {
    const stored = localStorage.getItem(STORED);
    if (known(stored)) return stored;
  } catch {
    // Ask the browser.
  }
  return navigator.languages.map((one) => one.slice(0, 2)).find(known) ?? 'en';
}

export const useLanguage = () =>
  useSyncExternalStore((tell) => {
    listeners.add(tell);
    return () => void listeners.delete(tell);
  }, language);

/** The message in the present language. */
export const t = (key: Key, values?: Values): string => i18n._(key, values);

/** A sentence of the server's in the present language; the server says it in English. */
export const said = (sentence: string): string => (language() === 'de' && sayings ? sayings(sentence) : sentence);

// As a text, what looks like a tag in it would be taken for one of the message's: somebody's name is nobody's markup.
const kept = (value: string | number) => (typeof value === 'string' && value.includes('<') ? <>{value}</> : value);

/** A message with parts of its own look: `<b>…</b>` in it is rendered by `parts.b`. */
export const rich = (key: Key, values: Values, parts: Record<string, ReactElement>): ReactNode => (
  <Trans
    id={key}
    values={Object.fromEntries(Object.entries(values).map(([name, value]) => [name, kept(value)]))}
    components={parts}
  />
);
