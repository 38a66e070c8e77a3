import { useState } from 'react';
import type { LeadFilter } from './filter';

export interface Selection {
  ids: ReadonlySet<string>;
  /** Everything that the filter meets, also what is not loaded. */
  all: boolean;
  has: (id: string) => boolean;
  toggle: (id: string) => void;
  /** Selects what lies between the last one and this one too. */
  extend: (id: string, order: string[]) => void;
  set: (ids: Iterable<string>) => void;
  selectAll: () => void;
  clear: () => void;
}

/** Which leads are selected; another filter begins anew. */
export function useSelection(filter: LeadFilter): Selection {
  const key = JSON.stringify({ ...filter, sort: undefined });
  const [state, setState] = useState<{ key: string; ids: ReadonlySet<string>; all: boolean; last?: string }>({
    key,
    ids: new Set(),
    all: false,
  });
  const current = state.key === key ? state : { key, ids: new Set<string>(), all: false };
  return {
    ids: current.ids,
    all: current.all,
    has: (id) => current.all || current.ids.has(id),
    toggle: (id) => {
      const ids = new Set(current.ids);
      if (!ids.delete(id)) ids.add(id);
      setState({ key, ids, all: false, last: id });
    },
    extend: (id, order) => {
      const from = order.indexOf(state.last ?? id);
      const to = order.indexOf(id);
      const ids = new Set(current.ids);
      if (from >= 0 && to >= 0) for (const one of order.slice(Math.min(from, to), Math.max(from, to) + 1)) ids.add(one);
      setState({ key, ids, all: false, last: id });
    },
    set: (next) => setState({ key, ids: new Set(next), all: false }),
    selectAll: () => setState({ key, ids: current.ids, all: true }),
    clear: () => setState({ key, ids: new Set(), all: false }),
  };
}
