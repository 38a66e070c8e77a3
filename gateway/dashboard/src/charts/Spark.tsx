import { area, curveMonotoneX, line } from 'd3-shape';
import { useId } from 'react';
import css from './charts.module.css';
import { useTween } from './motion';

interface Props {
  data: number[];
  color: string;
  kind: 'area' | 'bars';
  width?: number;
  height?: number;
}
export function Spark({ data, color, kind, width: W = 104, height: H = 40 }: Props) {
  const id = useId();
  const v = useTween(data, 600);
  const max = Math.max(...v, 1);
  const n = v.length;
  if (kind === 'bars') {
    const step = W / n;
    const w = Math.min(9, step * 0.62);
    return (
      <svg width={W} height={H} viewBox={`0 0 ${W} ${H}`} aria-hidden="true" className={css.grow}>
        {v.map((d, i) => {
          const h = Math.max(2, (d / max) * (H - 2));
          return (
            <rect
              key={i}
              x={i * step + (step - w)}
              y={H - h}
              width={w}
              height={h}
              rx={Math.min(3, w / 2)}
              style={{ fill: color, opacity: i === n - 1 ? 1 : 0.34 }}
            />
          );
        })}
      </svg>
    );
  }
  const pts = v.map((d, i) => [3 + (i * (W - 8)) / (n - 1), H - 4 - (d / max) * (H - 10)] as [number, number]);
  const last = pts[n - 1] ?? [0, 0];
  return (
    <svg width={W} height={H} viewBox={`0 0 ${W} ${H}`} aria-hidden="true" className={css.sweep}>
      <defs>
        <linearGradient id={id} x1="0" x2="0" y1="0" y2="1">
          <stop offset="0" style={{ stopColor: color, stopOpacity: 0.28 }} />
          <stop offset="1" style={{ stopColor: color, stopOpacity: 0 }} />
        </linearGradient>
      </defs>
      <path
        d={
          area<[number, number]>()
            .x((d) => d[0])
            .y1((d) => d[1])
            .y0(H)
            .curve(curveMonotoneX)(pts) ?? ''
        }
        fill={`url(#${id})`}
      />
      <path
        d={line().curve(curveMonotoneX)(pts) ?? ''}
        fill="none"
        strokeWidth="2"
        strokeLinecap="round"
        style={{ stroke: color }}
      />
      <circle cx={last[0]} cy={last[1]} r="3" style={{ fill: color }} />
    </svg>
  );
}
