import { type RefObject, useEffect, useMemo, useState } from 'react';
import type { LeadRow } from '../api/model';

// What the visitor has made, moved or brought back shows at once, wherever the pointer is.
const owns = new Set<string>();
const MOST_OWN = 20_000;

/** Says that it is the visitor who puts a lead where it appears next. */
export function own(id: string) {
  owns.delete(id);
  owns.add(id);
  for (const oldest of owns) {
    if (owns.size <= MOST_OWN) break;
    owns.delete(oldest);
  }
}

export interface Held {
  rows: LeadRow[];
  /** How many have come that are not shown yet. */
  fresh: number;
}

/**
 * The rows in the order in which they stand, in their newest state: what has come between or above them waits, so that
 * nothing moves under the pointer. What follows below is shown, and so is what is the visitor's own doing.
 */
export function hold(order: readonly string[], rows: LeadRow[], mine: (id: string) => boolean): Held {
  // As a rule nothing has come but what follows below.
  if (order.every((id, i) => rows[i]?.id === id)) return { rows, fresh: 0 };
  const stands = new Map(order.map((id) => [id, undefined as LeadRow | undefined]));
  let last = -1;
  rows.forEach((row, i) => {
    if (!stands.has(row.id)) return;
    stands.set(row.id, row);
    last = i;
  });
  const shown = [...stands.values()].filter((row) => row !== undefined);
  let fresh = 0;
  let before: LeadRow | undefined;
  rows.forEach((row, i) => {
    if (!stands.has(row.id)) {
      if (i > last) shown.push(row);
      else if (mine(row.id)) shown.splice(before ? shown.indexOf(before) + 1 : 0, 0, row);
      else {
        fresh += 1;
        return;
      }
    }
    before = row;
  });
  return { rows: shown, fresh };
}

/**
 * Holds the order of a list while the pointer or the focus is in it, or a finger has touched it last. `key`: what the list shows; another begins anew.
 * `bind` goes to the element of the list, whose `ref` is given.
 */
export function useHeld(list: RefObject<HTMLElement | null>, key: string, rows: LeadRow[]) {
  const [pointer, setPointer] = useState(false);
  const [focus, setFocus] = useState(false);
  const [finger, setFinger] = useState(false);
  const [state, setState] = useState<{ key: string; order: string[] } | null>(null);
  const inside = pointer || focus || finger;
  const begin = () => setState({ key, order: rows.map((row) => row.id) });
  if (inside && state?.key !== key) begin();
  else if (!inside && state) setState(null);
  useEffect(() => {
    const look = (to: EventTarget | null) => setFocus(to instanceof Node && (list.current?.contains(to) ?? false));
    const onIn = (event: FocusEvent) => look(event.target);
    const onOut = (event: FocusEvent) => look(event.relatedTarget);
    // Of the whole page: what had the focus may be gone from it without a word.
    document.addEventListener('focusin', onIn);
    document.addEventListener('focusout', onOut);
    // A finger leaves with every touch. It is in the list until it touches something else.
    const onTouch = (event: PointerEvent) =>
      setFinger(
        event.pointerType === 'touch' && event.target instanceof Node && !!list.current?.contains(event.target),
      );
    document.addEventListener('pointerdown', onTouch);
    return () => {
      document.removeEventListener('focusin', onIn);
      document.removeEventListener('focusout', onOut);
      document.removeEventListener('pointerdown', onTouch);
    };
  }, [list]);
  const order = inside && state?.key === key ? state.order : undefined;
  const held = useMemo(() => (order ? hold(order, rows, (id) => owns.has(id)) : { rows, fresh: 0 }), [order, rows]);
  return {
    ...held,
    /** Shows what has come. */
    release: begin,
    bind: {
      onPointerEnter: (event: { pointerType: string }) => event.pointerType !== 'touch' && setPointer(true),
      onPointerLeave: () => setPointer(false),
    },
  };
}
