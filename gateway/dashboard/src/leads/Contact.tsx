import { CalendarPlus, Mail, Phone } from 'lucide-react';
import { useState } from 'react';
import type { Lead } from '../api/model';
import { Button, ButtonLink } from '../design/Button';
import { ReminderForm } from '../reminders/ReminderForm';
import { useCanWrite } from '../shell/me';
import { t } from '../words';
import css from './drawer.module.css';

export function Contact({ lead }: { lead: Lead }) {
  const canWrite = useCanWrite();
  const [reminding, setReminding] = useState(false);
  return (
    <div className={css.acts}>
      {lead.phone ? (
        <ButtonLink kind="primary" href={`tel:${lead.phone.replaceAll(/[^\d+]/g, '')}`}>
          <Phone size={15} aria-hidden="true" />
          {t('lead.call')}
        </ButtonLink>
      ) : (
        <Button disabled title={t('lead.noPhone')}>
          <Phone size={15} aria-hidden="true" />
          {t('lead.call')}
        </Button>
      )}
      {lead.email ? (
        <ButtonLink href={`mailto:${lead.email}`}>
          <Mail size={15} aria-hidden="true" />
          {t('lead.email')}
        </ButtonLink>
      ) : (
        <Button disabled title={t('lead.noEmail')}>
          <Mail size={15} aria-hidden="true" />
          {t('lead.email')}
        </Button>
      )}
      <Button disabled={!canWrite} aria-expanded={reminding} onClick={() => setReminding(!reminding)}>
        <CalendarPlus size={15} aria-hidden="true" />
        {t('lead.remind')}
      </Button>
      {reminding && (
        <div className={css.remind}>
          <ReminderForm lead={lead} onDone={() => setReminding(false)} />
        </div>
      )}
    </div>
  );
}
