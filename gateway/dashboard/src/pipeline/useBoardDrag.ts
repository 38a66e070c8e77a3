import {
  type PointerEvent as ReactPointerEvent,
  type RefObject,
  useCallback,
  useEffect,
  useEffectEvent,
  useRef,
  useState,
} from 'react';

export interface Drag {
  id: string;
  width: number;
  /** The column under the pointer. */
  over: string | null;
}
interface Press {
  id: string;
  pointer: number;
  fromX: number;
  fromY: number;
  dx: number;
  dy: number;
  width: number;
  on: boolean;
  timer: number;
  over: string | null;
}
const HOLD_MS = 220;
const SLOP_PX = 6;
const EDGE_PX = 72;
const SCROLL_PX = 11;

/**
 * Drags one card between columns marked `data-col`. Pointer events rather than HTML drag and drop: mouse, pen and finger
 * (after a short hold, so that a swipe still scrolls) all work, and the preview can be styled.
 */
export function useBoardDrag(board: RefObject<HTMLElement | null>, onDrop: (id: string, column: string) => void) {
  const [drag, setDrag] = useState<Drag | null>(null);
  const live = useRef<Press | null>(null);
  const at = useRef({ x: 0, y: 0 });
  /** The element that follows the pointer. */
  const ghost = useRef<HTMLUListElement>(null);
  const start = useRef<(touch: boolean) => void>(() => undefined);
  const drop = useEffectEvent(onDrop);

  useEffect(() => {
    const element = board.current;
    if (!element) return;
    let frame = 0;
    const end = (commit: boolean) => {
      const held = live.current;
      live.current = null;
      cancelAnimationFrame(frame);
      setDrag(null);
      if (!held) return;
      clearTimeout(held.timer);
      if (!held.on) return;
      // The click that follows a drag must not open the lead.
      const swallow = (event: Event) => {
        event.stopPropagation();
        event.preventDefault();
      };
      addEventListener('click', swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener('click', swallow, { capture: true }), 0);
      if (commit && held.over) drop(held.id, held.over);
    };
    const paint = () => {
      const held = live.current;
      if (!held?.on) return;
      const { x, y } = at.current;
      const box = element.getBoundingClientRect();
      const edge = Math.min(EDGE_PX, box.width / 5);
      if (x < box.left + edge) element.scrollLeft -= SCROLL_PX;
      else if (x > Math.min(box.right, innerWidth) - edge) element.scrollLeft += SCROLL_PX;
      const column = document
        .elementsFromPoint(x, y)
        .map((one) => one.closest<HTMLElement>('[data-col]'))
        .find(Boolean);
      const list = column?.querySelector<HTMLElement>('[data-scroll]');
      if (list) {
        const inner = list.getBoundingClientRect();
        if (y < inner.top + EDGE_PX / 2) list.scrollTop -= SCROLL_PX;
        else if (y > inner.bottom - EDGE_PX / 2) list.scrollTop += SCROLL_PX;
      }
      held.over = column?.dataset['col'] ?? null;
      // The preview is moved past React: only another column under it is worth a render.
      if (ghost.current) ghost.current.style.translate = `${x - held.dx}px ${y - held.dy}px`;
      setDrag((old) =>
        old?.id === held.id && old.over === held.over ? old : { id: held.id, width: held.width, over: held.over },
      );
      frame = requestAnimationFrame(paint);
    };
    const begin = () => {
      if (!live.current || live.current.on) return;
      live.current.on = true;
      navigator.vibrate?.(12);
      getSelection()?.removeAllRanges();
      frame = requestAnimationFrame(paint);
    };
    start.current = (touch) => {
      if (touch && live.current) live.current.timer = window.setTimeout(begin, HOLD_MS);
    };
    const onMove = (event: PointerEvent) => {
      const held = live.current;
      if (!held || event.pointerId !== held.pointer) return;
      at.current = { x: event.clientX, y: event.clientY };
      if (held.on || Math.hypot(event.clientX - held.fromX, event.clientY - held.fromY) < SLOP_PX) return;
      if (event.pointerType === 'touch') end(false);
      else begin();
    };
    const onUp = (event: PointerEvent) => event.pointerId === live.current?.pointer && end(true);
    const onCancel = (event: PointerEvent) => event.pointerId === live.current?.pointer && end(false);
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || !live.current?.on) return;
      event.stopPropagation();
      end(false);
    };
    const onTouch = (event: TouchEvent) => live.current?.on && event.preventDefault();
    element.addEventListener('touchmove', onTouch, { passive: false });
    addEventListener('pointermove', onMove);
    addEventListener('pointerup', onUp);
    addEventListener('pointercancel', onCancel);
    addEventListener('keydown', onKey, true);
    return () => {
      end(false);
      element.removeEventListener('touchmove', onTouch);
      removeEventListener('pointermove', onMove);
      removeEventListener('pointerup', onUp);
      removeEventListener('pointercancel', onCancel);
      removeEventListener('keydown', onKey, true);
    };
  }, [board]);

  const press = useCallback(
    (id: string) => (event: ReactPointerEvent<HTMLElement>) => {
      if (event.button !== 0 || (event.target as HTMLElement).closest('button')) return;
      const box = event.currentTarget.getBoundingClientRect();
      at.current = { x: event.clientX, y: event.clientY };
      live.current = {
        id,
        pointer: event.pointerId,
        fromX: event.clientX,
        fromY: event.clientY,
        dx: event.clientX - box.left,
        dy: event.clientY - box.top,
        width: box.width,
        on: false,
        timer: 0,
        over: null,
      };
      start.current(event.pointerType === 'touch');
    },
    [],
  );
  return { drag, press, ghost };
}
