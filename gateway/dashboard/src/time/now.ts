import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let at = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  timer ??= setInterval(() => {
    at = Date.now();
    for (const one of listeners) one();
  }, 30_000);
  return () => {
    listeners.delete(tell);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
};

/** The present time, renewed every half minute: one clock for the whole page. */
export const useNow = () =>
  useSyncExternalStore(subscribe, () => {
    // The first reader after a pause must not see an old time.
    if (!timer && Date.now() - at > 1_000) at = Date.now();
    return at;
  });
