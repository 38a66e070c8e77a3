// The leads as the page behind an open lead shows them, so that J and K in its panel go on in that order.
let order: string[] = [];
export const setOrder = (ids: string[]) => {
  order = ids;
};
/** The lead so many places further on, if there is one. */
export function neighbour(id: string, step: 1 | -1): string | undefined {
  const at = order.indexOf(id);
  return at < 0 ? undefined : order[at + step];
}
