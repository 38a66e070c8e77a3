import { useQuery } from '@tanstack/react-query';
import { Check } from 'lucide-react';
import type { Lead } from '../api/model';
import { completeReminder } from '../reminders/changes';
import { leadRemindersQuery } from '../reminders/queries';
import { SnoozeMenu } from '../reminders/SnoozeMenu';
import { useCanWrite, useZone } from '../shell/me';
import { due } from '../time/format';
import { useNow } from '../time/now';
import { quietly } from '../undo/change';
import { t } from '../words';
import css from './drawer.module.css';

/** What is still to be done about a lead. */
export function LeadReminders({ lead }: { lead: Lead }) {
  const { data } = useQuery(leadRemindersQuery(lead.id));
  const zone = useZone();
  const now = useNow();
  const canWrite = useCanWrite();
  if (!data?.length) return null;
  return (
    <section aria-label={t('nav.reminders')}>
      <ul className={css.reminders}>
        {data.map((reminder) => {
          const late = Date.parse(reminder.dueAt) < now;
          const done = reminder.status === 'done';
          return (
            <li key={reminder.id} data-late={(late && !done) || undefined} data-done={done || undefined}>
              <button
                type="button"
                className={css.tick}
                disabled={!canWrite || done}
                aria-label={t('work.complete', { message: reminder.message })}
                onClick={() => quietly(completeReminder(reminder))}
              >
                <Check size={12} strokeWidth={3} />
              </button>
              <span>
                <b>{reminder.message}</b>
                <small>
                  <time dateTime={reminder.dueAt}>{due(reminder.dueAt, now, zone)}</time> · {reminder.assignee.name}
                </small>
              </span>
              {canWrite && !done && <SnoozeMenu reminder={reminder} />}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
