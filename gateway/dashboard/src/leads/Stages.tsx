import type { CSSProperties } from 'react';
import { type Lead, type Status, STATUSES } from '../api/model';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import { useCanWrite } from '../shell/me';
import { ago } from '../time/format';
import { useNow } from '../time/now';
import { t } from '../words';
import css from './drawer.module.css';
import { requestMove } from './move';

const STEPS: Status[] = STATUSES.filter((status) => status !== 'Lost');

/** The stages as steps; one click moves the lead there. */
export function Stages({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const now = useNow();
  const lost = lead.status === 'Lost';
  const at = STEPS.indexOf(lead.status);
  return (
    <div className={css.stages}>
      <ol className={css.steps} aria-label={t('leads.status')}>
        {STEPS.map((step, i) => (
          <li
            key={step}
            data-done={(!lost && i <= at) || undefined}
            style={{ '--c': stageColor(step) } as CSSProperties}
          >
            <button
              type="button"
              disabled={!canWrite}
              aria-current={i === at ? 'step' : undefined}
              onClick={() => requestMove(lead, step)}
            >
              {t(`status.${step}`)}
            </button>
          </li>
        ))}
      </ol>
      {lost ? (
        <p className={css.lost}>
          <StageGlyph status="Lost" /> {t('lead.lostSince', { ago: ago(lead.statusChangedAt, now) })}
        </p>
      ) : (
        canWrite && (
          <button type="button" className={css.lose} onClick={() => requestMove(lead, 'Lost')}>
            <StageGlyph status="Lost" size={14} />
            {t('lead.markLost')}
          </button>
        )
      )}
    </div>
  );
}
