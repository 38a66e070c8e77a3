/** Rounded axis maximum and tick values for a zero-based linear axis, `least` or more apart: there are no halves of leads. */
export function ticks(max: number, count = 4, least = 0): { max: number; values: number[] } {
  const top = max > 0 ? max : 1;
  let best = { step: Infinity, n: 1 };
  for (const c of [count, count + 1, count + 2]) {
    const mag = 10 ** Math.floor(Math.log10(top / c));
    // halves are fine for 0.25 or 25, never for 2.5 leads
    const nice = mag === 1 ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
    const step = Math.max(least, (nice.find((s) => s * mag >= top / c) ?? 10) * mag);
    const n = Math.ceil(top / step - 1e-9);
    if (step * n < best.step * best.n - 1e-9) best = { step, n };
  }
  return { max: best.step * best.n, values: Array.from({ length: best.n + 1 }, (_, i) => i * best.step) };
}
/** The value, no less than a and no more than b. */
export const clamp = (v: number, a: number, b: number) => Math.min(b, Math.max(a, v));

/** Stretch or shrink a series to n points, so two series of different length can be animated into each other. */
export function resample(xs: number[], n: number): number[] {
  if (xs.length === n || xs.length === 0) return xs.length ? xs : Array.from({ length: n }, () => 0);
  return Array.from({ length: n }, (_, i) => {
    const p = n === 1 ? 0 : (i * (xs.length - 1)) / (n - 1);
    const a = Math.floor(p);
    return (xs[a] ?? 0) + ((xs[Math.min(a + 1, xs.length - 1)] ?? 0) - (xs[a] ?? 0)) * (p - a);
  });
}
