import { area, curveMonotoneX, line } from 'd3-shape';
import { type KeyboardEvent, type PointerEvent, useId, useRef, useState } from 'react';
import css from './charts.module.css';
import { useSize, useTween } from './motion';
import { clamp, ticks } from './scale';
import { Tip } from './Tip';

export interface Point {
  /** Below the axis. */
  label: string;
  /** In the tip and read aloud. */
  full: string;
  value: number;
  /** The same place in the period before. */
  prev?: number;
  /** More lines for the tip. */
  more?: string;
}
interface Props {
  points: Point[];
  minHeight: number;
  label: string;
  format: (value: number) => string;
  /** The names of the two series. */
  names: [string, string];
  /** The last bucket is not over yet. */
  openEnd?: boolean;
  openLabel?: string;
  onPick?: (index: number) => void;
  onRange?: (from: number, to: number) => void;
  tone?: 'series' | 'converted';
  yTicks?: number;
  /** The value counts things: no ticks between whole numbers. */
  whole?: boolean;
}
const M = { left: 40, right: 16, top: 14, bottom: 26 };
const DRAG_PX = 6;

/** A line over time: read with the pointer or the arrow keys, a click takes a bucket, a drag (or Shift) a range. */
export function TimeSeries(props: Props) {
  const {
    points,
    minHeight,
    label,
    format,
    names,
    openEnd,
    openLabel,
    onPick,
    onRange,
    tone = 'series',
    yTicks = 4,
    whole = false,
  } = props;
  const [ref, W, H] = useSize<HTMLDivElement>();
  const id = useId();
  const [at, setAt] = useState<number | null>(null);
  const [span, setSpan] = useState<[number, number] | null>(null);
  const drag = useRef<{ index: number; x: number; moved: boolean } | null>(null);
  const [said, setSaid] = useState('');

  const n = points.length;
  const hasPrev = points.some((point) => point.prev !== undefined);
  const most = Math.max(...points.map((point) => Math.max(point.value, point.prev ?? 0)), 0);
  const axis = ticks(most, yTicks, whole ? 1 : 0);
  const values = useTween(points.map((point) => point.value));
  const before = useTween(points.map((point) => point.prev ?? 0));
  const [yMax = axis.max] = useTween([axis.max]);

  const x = (index: number) => M.left + (index * (W - M.left - M.right)) / Math.max(1, n - 1);
  const y = (value: number) => M.top + (1 - value / yMax) * (H - M.top - M.bottom);
  const spots = (all: number[]) => all.map((value, i) => [x(i), y(value)] as [number, number]);
  const path = line().curve(curveMonotoneX);
  const fill = area<[number, number]>()
    .x((spot) => spot[0])
    .y1((spot) => spot[1])
    .y0(y(0))
    .curve(curveMonotoneX);
  const cut = openEnd && n > 1 ? x(n - 2) : W;
  const main = spots(values);
  const color = tone === 'series' ? 'var(--series)' : 'var(--stage-converted)';
  const every = Math.max(1, Math.ceil(58 / Math.max(1, (W - M.left - M.right) / Math.max(1, n - 1))));

  const nearest = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return clamp(Math.round(((event.clientX - box.left - M.left) / (W - M.left - M.right)) * (n - 1)), 0, n - 1);
  };
  const describe = (index: number) => {
    const point = points[index];
    return point
      ? `${point.full}: ${names[0]} ${format(point.value)}${point.prev === undefined ? '' : `, ${names[1]} ${format(point.prev)}`}`
      : '';
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 5, PageUp: -5 }[event.key];
    const from = at ?? n - 1;
    let next: number;
    if (step !== undefined) next = clamp(from + step, 0, n - 1);
    else if (event.key === 'Home') next = 0;
    else if (event.key === 'End') next = n - 1;
    else {
      if (event.key === 'Escape') {
        setSpan(null);
        setAt(null);
      } else if (event.key === 'Enter' && at !== null) {
        if (span && span[0] !== span[1]) onRange?.(Math.min(...span), Math.max(...span));
        else onPick?.(at);
        setSpan(null);
      }
      return;
    }
    event.preventDefault();
    setSpan(event.shiftKey && onRange ? [span?.[0] ?? from, next] : null);
    setAt(next);
    setSaid(describe(next));
  };

  const current = at === null ? undefined : points[at];
  const half = n > 1 ? (x(1) - x(0)) / 2 : 0;
  const brush = span
    ? [clamp(x(Math.min(...span)) - half, M.left, W - M.right), clamp(x(Math.max(...span)) + half, M.left, W - M.right)]
    : null;
  return (
    <div ref={ref} className={css.plot} style={{ minHeight }}>
      {W > 0 && n > 0 && (
        <svg
          width={W}
          height={H}
          className={css.svg}
          role="group"
          aria-roledescription="chart"
          aria-label={label}
          tabIndex={0}
          data-picks={onPick ? '' : undefined}
          onKeyDown={onKey}
          onBlur={() => setAt(null)}
          onPointerDown={(event) => {
            // The other buttons are the browser's: they open its menu, or scroll.
            if (event.button !== 0) return;
            drag.current = { index: nearest(event), x: event.clientX, moved: false };
            if (event.pointerType !== 'touch') event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => {
            const index = nearest(event);
            setAt(index);
            const held = drag.current;
            if (held && onRange && event.pointerType !== 'touch' && Math.abs(event.clientX - held.x) > DRAG_PX) {
              held.moved = true;
              setSpan([held.index, index]);
            }
          }}
          onPointerUp={(event) => {
            const held = drag.current;
            drag.current = null;
            if (held?.moved && span) onRange?.(Math.min(...span), Math.max(...span));
            else if (held) onPick?.(nearest(event));
            setSpan(null);
          }}
          onPointerCancel={() => {
            drag.current = null;
            setSpan(null);
          }}
          onPointerLeave={() => !drag.current && setAt(null)}
        >
          <defs>
            <linearGradient id={`${id}g`} x1="0" x2="0" y1="0" y2="1">
              <stop offset="0%" style={{ stopColor: color, stopOpacity: 0.26 }} />
              <stop offset="100%" style={{ stopColor: color, stopOpacity: 0.01 }} />
            </linearGradient>
            <clipPath id={`${id}a`}>
              <rect x="0" y="-8" width={Math.max(0, cut)} height={H + 8} />
            </clipPath>
            <clipPath id={`${id}b`}>
              <rect x={cut} y="-8" width={Math.max(0, W - cut)} height={H + 8} />
            </clipPath>
          </defs>
          <g aria-hidden="true">
            {axis.values.map((value) => (
              <g key={value} className={css.tick}>
                <line
                  x1={M.left}
                  x2={W - M.right}
                  y1={y(value)}
                  y2={y(value)}
                  className={value === 0 ? css.base : css.grid}
                />
                <text x={M.left - 10} y={y(value)} dy="0.32em" textAnchor="end">
                  {format(value)}
                </text>
              </g>
            ))}
            {points.map((point, i) =>
              (n - 1 - i) % every === 0 ? (
                <text
                  key={point.full}
                  x={x(i)}
                  y={H - 6}
                  textAnchor={n === 1 ? 'start' : i === n - 1 ? 'end' : i === 0 ? 'start' : 'middle'}
                  dx={i === n - 1 && n > 1 ? 8 : 0}
                  className={css.axis}
                >
                  {point.label}
                </text>
              ) : null,
            )}
            {brush && (
              <rect
                x={brush[0]}
                y={M.top}
                width={(brush[1] ?? 0) - (brush[0] ?? 0)}
                height={H - M.top - M.bottom}
                className={css.brush}
                rx="6"
              />
            )}
            <path d={fill(main) ?? ''} fill={`url(#${id}g)`} />
            {hasPrev && <path d={path(spots(before)) ?? ''} className={css.prev} />}
            <path d={path(main) ?? ''} className={css.line} style={{ stroke: color }} clipPath={`url(#${id}a)`} />
            {openEnd && (
              <path
                d={path(main) ?? ''}
                className={css.line}
                style={{ stroke: color, strokeDasharray: '1 6' }}
                clipPath={`url(#${id}b)`}
              />
            )}
            {at === null && (
              <circle cx={x(n - 1)} cy={y(values[n - 1] ?? 0)} r="4" className={css.dot} style={{ fill: color }} />
            )}
            {at === null && openEnd && (
              <circle cx={x(n - 1)} cy={y(values[n - 1] ?? 0)} r="4" className={css.pulse} style={{ stroke: color }} />
            )}
            {at !== null && current && (
              <g>
                <line x1={x(at)} x2={x(at)} y1={M.top - 4} y2={y(0)} className={css.cross} />
                {current.prev !== undefined && (
                  <circle
                    cx={x(at)}
                    cy={y(before[at] ?? 0)}
                    r="3.5"
                    className={css.dot}
                    style={{ fill: 'var(--series-2)' }}
                  />
                )}
                <circle cx={x(at)} cy={y(values[at] ?? 0)} r="5" className={css.dot} style={{ fill: color }} />
              </g>
            )}
          </g>
        </svg>
      )}
      {at !== null && current && W > 0 && (
        <Tip
          left={clamp(x(at), 92, W - 92)}
          top={Math.max(4, Math.min(y(current.value), y(current.prev ?? current.value)) - 12)}
          title={`${current.full}${openEnd && at === n - 1 && openLabel ? `, ${openLabel}` : ''}`}
          rows={[
            { name: names[0], value: format(current.value), color },
            ...(current.prev === undefined
              ? []
              : [{ name: names[1], value: format(current.prev), color: 'var(--series-2)' }]),
          ]}
          more={current.more}
        />
      )}
      <output className="sr" aria-live="polite">
        {said}
      </output>
    </div>
  );
}
