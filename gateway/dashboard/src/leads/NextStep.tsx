import { Bell, BellOff } from 'lucide-react';
import type { Lead, LeadRow } from '../api/model';
import { useZone } from '../shell/me';
import { ago, due } from '../time/format';
import { useNow } from '../time/now';
import { dayOf } from '../time/zone';
import { t } from '../words';
import css from './nextStep.module.css';

/** When the next open reminder of a lead is due: red when overdue, green today, grey later, amber when there is none. */
export function NextStep({ lead, small }: { lead: Lead | LeadRow; small?: boolean }) {
  const now = useNow();
  const zone = useZone();
  const at = lead.nextFollowUpAt;
  const closed = lead.status === 'Converted' || lead.status === 'Lost';
  if (!at)
    return closed ? (
      <span className={css.step}>–</span>
    ) : (
      <span className={css.step} data-tone="none">
        <BellOff size={small ? 12 : 13} aria-hidden="true" />
        {t('nextStep.none')}
      </span>
    );
  const late = Date.parse(at) < now;
  const today = dayOf(Date.parse(at), zone) === dayOf(now, zone);
  return (
    <span className={css.step} data-tone={late ? 'late' : today ? 'today' : 'later'}>
      <Bell size={small ? 12 : 13} aria-hidden="true" />
      <time dateTime={at}>{late ? t('nextStep.late', { ago: ago(at, now) }) : due(at, now, zone, small)}</time>
    </span>
  );
}
