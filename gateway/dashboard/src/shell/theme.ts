import { useSyncExternalStore } from 'react';
import { flushSync } from 'react-dom';

export type Theme = 'light' | 'dark' | 'system';
const STORED = 'leadline.theme';
const listeners = new Set<() => void>();
const system = matchMedia('(prefers-color-scheme: dark)');

function stored(): Theme {
  try {
    const value = localStorage.getItem(STORED);
    return value === 'dark' || value === 'light' ? value : 'system';
  } catch {
    return 'system';
  }
}
const isDark = () => document.documentElement.dataset['theme'] === 'dark';

function apply() {
  const theme = stored();
  const dark = theme === 'dark' || (theme === 'system' && system.matches);
  document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  document.querySelector('meta[name="theme-color"]')?.setAttribute('content', dark ? '#0B110F' : '#F4F3EE');
  for (const tell of listeners) tell();
}
system.addEventListener('change', apply);

export function setTheme(theme: Theme) {
  try {
    if (theme === 'system') localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, theme);
  } catch {
    document.documentElement.dataset['theme'] = theme === 'dark' ? 'dark' : 'light';
  }
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (document.startViewTransition && !calm) document.startViewTransition(() => flushSync(apply));
  else apply();
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};
export const useDark = () => useSyncExternalStore(subscribe, isDark);
export const useTheme = () => useSyncExternalStore(subscribe, stored);
