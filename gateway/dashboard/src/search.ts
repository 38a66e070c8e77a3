type Values = Record<string, unknown>;

/** Search texts as people write them, `?status=New&status=Lost`, in place of the router's JSON. */
export function parseSearch(search: string): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  for (const [key, value] of new URLSearchParams(search)) {
    const before = found[key];
    found[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return found;
}

export function stringifySearch(search: Values): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === '') continue;
    for (const single of Array.isArray(value) ? value : [value]) params.append(key, String(single));
  }
  const written = params.toString();
  return written ? `?${written}` : '';
}

/** Where to go after signing in: only ever a page of this site. */
export const safeNext = (next: unknown) => (typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : undefined);
