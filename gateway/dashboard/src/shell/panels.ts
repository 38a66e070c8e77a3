import { useSyncExternalStore } from 'react';

/** What lies over every page and is not worth an address. */
export type Panel = 'palette' | 'help' | 'more' | null;
let open: Panel = null;
const listeners = new Set<() => void>();

export function openPanel(panel: Panel) {
  open = panel;
  for (const tell of listeners) tell();
}
export const usePanel = () =>
  useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    },
    () => open,
  );
