import type { LiveState } from '../api/live';
import { t } from '../words';
import css from './shell.module.css';

export const LivePill = ({ state }: { state: LiveState }) => (
  <span className={css.live} data-state={state} title={t(`live.${state}.sub`)} role="status">
    <i />
    {t(`live.${state}`)}
  </span>
);
