import { ArrowUp } from 'lucide-react';
import { t } from '../words';
import css from './fresh.module.css';

/** Over a list that is held still: how many have come meanwhile. A click shows them. */
export const Fresh = ({ n, onShow }: { n: number; onShow: () => void }) => (
  <div className={css.place} role="status">
    {n > 0 && (
      <button type="button" className={css.chip} onClick={onShow}>
        <ArrowUp size={13} aria-hidden="true" />
        {t('leads.fresh', { n })}
      </button>
    )}
  </div>
);
