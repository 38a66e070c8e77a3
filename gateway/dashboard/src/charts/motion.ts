import { useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from 'react';
import { resample } from './scale';

/** The size of an element, kept up to date. */
export function useSize<T extends Element>() {
  const ref = useRef<T>(null);
  const [size, setSize] = useState<readonly [number, number]>([0, 0]);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize([Math.round(entry.contentRect.width), Math.round(entry.contentRect.height)]);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, ...size] as const;
}

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Moves an array of numbers towards its latest value. The first value is there at once: entrances are left to CSS. */
export function useTween(target: number[], ms = 520): number[] {
  const [now, setNow] = useState(target);
  // The numbers themselves, not the array, say whether there is something new.
  const key = target.join();
  const still = now.join() === key;
  const read = useEffectEvent(() => ({ from: resample(now, target.length), to: target, still }));
  useEffect(() => {
    const { from, to, still: there } = read();
    if (there) return;
    const began = performance.now();
    const length = calm() ? 0 : ms;
    let frame = 0;
    const step = (time: number) => {
      const part = length ? Math.min(1, Math.max(0, (time - began) / length)) : 1;
      const eased = 1 - (1 - part) ** 4;
      setNow(part === 1 ? to : to.map((value, i) => (from[i] ?? 0) + (value - (from[i] ?? 0)) * eased));
      if (part < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [key, ms]);
  return now.length === target.length ? now : resample(now, target.length);
}
