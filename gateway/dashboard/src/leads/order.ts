import { useSyncExternalStore } from 'react';

// The leads as the page behind an open lead shows them, so that J and K in its panel go on in that order. A page may show
// several lists.
let lists: readonly (readonly string[])[] = [];
/** The list that the open lead was chosen from, where that is gone when it is open, or is not the only one that has it. */
let chosen: readonly string[] = [];
const listeners = new Set<() => void>();
const tellAll = () => {
  for (const tell of listeners) tell();
};

/** Says what a list shows, from top to bottom, until what this gives back is called. */
export function setOrder(ids: readonly string[]): () => void {
  const own = [...ids];
  lists = [...lists, own];
  tellAll();
  return () => {
    lists = lists.filter((one) => one !== own);
    tellAll();
  };
}

/** Says which list a lead was chosen from; an empty one: from none in particular. */
export function chosenFrom(ids: readonly string[]) {
  chosen = ids;
  tellAll();
}

/** The lead so many places further on in its list, if there is one. */
export function neighbour(id: string, step: 1 | -1): string | undefined {
  const order = [chosen, ...lists].find((list) => list.includes(id));
  return order?.[order.indexOf(id) + step];
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};
/** The leads before and after one, as far as the page behind it has them. */
export function useNeighbours(id: string): { before: string | undefined; after: string | undefined } {
  return {
    before: useSyncExternalStore(subscribe, () => neighbour(id, -1)),
    after: useSyncExternalStore(subscribe, () => neighbour(id, 1)),
  };
}
