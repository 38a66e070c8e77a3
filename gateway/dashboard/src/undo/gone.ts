// What was deleted here and may still be on the server, or in an answer that left it before. Ids are never used again, so
// those of what is deleted for good may stay.
const ids = new Set<string>();

/** Keeps a thing out of whatever is read from now on. */
export const withhold = (id: string) => void ids.add(id);
export const reveal = (id: string) => void ids.delete(id);

/** The things of an answer without those that were deleted here. */
export const present = <T extends { id: string }>(items: T[]): T[] =>
  ids.size && items.some((one) => ids.has(one.id)) ? items.filter((one) => !ids.has(one.id)) : items;

/** A page of a list without what was deleted here; its total is told without it, too. */
export function presentPage<P extends { items: { id: string }[]; total?: { value: number } }>(page: P): P {
  const items = present(page.items);
  if (items === page.items) return page;
  const fewer = page.items.length - items.length;
  const total = page.total ? { ...page.total, value: Math.max(0, page.total.value - fewer) } : undefined;
  return { ...page, items, ...(total ? { total } : {}) };
}
