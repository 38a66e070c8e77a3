/** What is said at the lower edge. */
export interface Said {
  id?: string;
  title: string;
  description?: string | undefined;
  type?: string | undefined;
  priority: 'high' | 'low';
  timeout: number;
  actionProps?: { children: string; onClick: () => void };
}
interface Shown {
  add: (said: Said) => unknown;
  close: (id: string) => void;
}

let shown: Shown | undefined;
let waiting: Said[] = [];
const listeners = new Set<() => void>();
let count = 0;

/** The queue of what is said. What shows it is loaded after the first paint. */
export const toasts = {
  add(said: Said): string {
    const id = `said-${(count += 1)}`;
    const named = { ...said, id };
    if (shown) shown.add(named);
    else waiting = [...waiting, named];
    for (const tell of listeners) tell();
    return id;
  },
  close(id: string) {
    waiting = waiting.filter((one) => one.id !== id);
    shown?.close(id);
    for (const tell of listeners) tell();
  },
};

/** Hands over what waits to whoever shows it from now on. */
export function showWith(next: Shown) {
  shown = next;
  for (const said of waiting) next.add(said);
  waiting = [];
  for (const tell of listeners) tell();
}

/** What nothing has shown yet. */
export const waitingSaid = () => waiting;
export function onSaid(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
