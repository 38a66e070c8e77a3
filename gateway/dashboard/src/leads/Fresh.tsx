import { ArrowUp } from 'lucide-react';
import { t } from '../words';
import css from './fresh.module.css';

interface Props {
  n: number;
  onShow: () => void;
  /** Before a list that scrolls with the page: it stays in sight. */
  sticky?: boolean;
}

/** Over a list that is held still: how many have come meanwhile. A click shows them. */
export const Fresh = ({ n, onShow, sticky }: Props) => (
  <div className={sticky ? css.sticky : css.place} role="status">
    {n > 0 && (
      <button type="button" className={css.chip} onClick={onShow}>
        <ArrowUp size={13} aria-hidden="true" />
        {t('leads.fresh', { n })}
      </button>
    )}
  </div>
);
