import { type Status, STATUSES } from '../api/model';

/** The CSS variable of a stage's colour. */
export const stageColor = (status: Status) => `var(--stage-${status.toLowerCase()})`;

/** A pie that fills as the lead moves along: the shape tells the stage without its colour. */
export function StageGlyph({ status, size = 16 }: { status: Status; size?: number }) {
  const color = stageColor(status);
  const step = STATUSES.indexOf(status);
  const closed = status === 'Converted' || status === 'Lost';
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" data-swatch="" style={{ flex: 'none' }}>
      {closed ? (
        <>
          <circle cx="8" cy="8" r="7" style={{ fill: color }} />
          <path
            d={status === 'Converted' ? 'm5 8.2 2.1 2.1L11.2 6' : 'm5.8 5.8 4.4 4.4m0-4.4-4.4 4.4'}
            fill="none"
            strokeWidth="1.8"
            strokeLinecap="round"
            strokeLinejoin="round"
            style={{ stroke: 'var(--surface)' }}
          />
        </>
      ) : (
        <>
          <circle
            cx="8"
            cy="8"
            r="6.2"
            fill="none"
            strokeWidth="1.7"
            style={{ stroke: color }}
            strokeDasharray={step === 0 ? '2.4 1.5' : undefined}
          />
          {step > 0 && (
            <circle
              cx="8"
              cy="8"
              r="1.75"
              fill="none"
              strokeWidth="3.5"
              pathLength="4"
              strokeDasharray={`${step} 4`}
              transform="rotate(-90 8 8)"
              style={{ stroke: color }}
            />
          )}
        </>
      )}
    </svg>
  );
}
