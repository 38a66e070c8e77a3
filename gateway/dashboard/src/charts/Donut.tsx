import { arc, pie } from 'd3-shape';
import css from './charts.module.css';
import { useTween } from './motion';

export interface Slice<K extends string = string> {
  key: K;
  label: string;
  value: number;
  color: string;
}
interface Props<K extends string> {
  slices: Slice<K>[];
  selected?: K | undefined;
  hover: K | null;
  size?: number;
  /** What stands in the middle: of the slice that is looked at, or of all. */
  center: (slice: Slice<K> | undefined, total: number) => { big: string; small: string };
  onSelect: (key: K) => void;
  onHover: (key: K | null) => void;
}

const INNER = 68;
const OUTER = 92;
const RAISED = 5;
// Thinner than this is not worth drawing.
const THIN = 0.004;
const layout = pie<number>().sort(null);
const draw = arc<{ startAngle: number; endAngle: number; raised: boolean }>()
  .innerRadius(INNER)
  .outerRadius(({ raised }) => OUTER + (raised ? RAISED : 0))
  .cornerRadius(5)
  .padAngle(0.022);

/** A ring of parts. For pointers only: the same choices are real buttons in the legend beside it. */
export function Donut<K extends string>({ slices, selected, hover, size = 196, center, onSelect, onHover }: Props<K>) {
  const total = slices.reduce((sum, slice) => sum + slice.value, 0);
  const shares = useTween(
    slices.map((slice) => (total ? slice.value / total : 0)),
    640,
  );
  const focus = hover ?? selected;
  const middle = center(
    slices.find((slice) => slice.key === focus),
    total,
  );
  const angles = layout(shares);
  return (
    <div className={css.donut} style={{ width: size, height: size }} aria-hidden="true">
      <svg viewBox="-100 -100 200 200" width={size} height={size}>
        {total === 0 && <circle r="80" className={css.donutEmpty} />}
        {slices.map((slice, i) => {
          const angle = angles[i];
          if (!angle || total === 0 || angle.endAngle - angle.startAngle < THIN) return null;
          return (
            <path
              key={slice.key}
              d={draw({ startAngle: angle.startAngle, endAngle: angle.endAngle, raised: hover === slice.key }) ?? ''}
              style={{ fill: slice.color }}
              className={css.slice}
              data-dim={(focus !== undefined && focus !== slice.key) || undefined}
              onClick={() => onSelect(slice.key)}
              onPointerEnter={() => onHover(slice.key)}
              onPointerLeave={() => onHover(null)}
            />
          );
        })}
      </svg>
      <div className={css.donutMid}>
        <b className="display num">{middle.big}</b>
        <span>{middle.small}</span>
      </div>
    </div>
  );
}
