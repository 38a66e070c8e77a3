import css from './charts.module.css';

export interface Ring {
  label: string;
  /** From 0 to 1. */
  value: number;
  text: string;
  color: string;
}

/** How far along a few things are: one ring each, the outermost first. */
export function Rings({ rings, size = 148, label }: { rings: Ring[]; size?: number; label: string }) {
  return (
    <svg width={size} height={size} viewBox="0 0 148 148" role="img" aria-label={label}>
      {rings.map((ring, i) => {
        const radius = 66 - i * 17;
        const length = 2 * Math.PI * radius;
        const shown = Math.max(0, Math.min(1, ring.value)) * length;
        return (
          <g key={ring.label} transform="rotate(-90 74 74)" fill="none" strokeWidth="11.5" strokeLinecap="round">
            <circle cx="74" cy="74" r={radius} style={{ stroke: ring.color, opacity: 0.17 }} />
            {shown > 0 && (
              <circle
                cx="74"
                cy="74"
                r={radius}
                style={{ stroke: ring.color }}
                className={css.ring}
                strokeDasharray={`${shown} ${length}`}
              />
            )}
          </g>
        );
      })}
    </svg>
  );
}
