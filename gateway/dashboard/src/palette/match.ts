const plain = (text: string) => text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();

/** Whether every typed word begins a word of the label; accents and case don't matter. */
export function matches(label: string, q: string): boolean {
  const words = plain(label).split(/[^\p{L}\p{N}]+/u);
  return plain(q)
    .split(/\s+/)
    .filter(Boolean)
    .every((typed) => words.some((word) => word.startsWith(typed)));
}
