import { AlarmClock, CalendarCog, Clock, Ellipsis, Sunrise, Trash2 } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import type { Reminder } from '../api/model';
import { IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { useZone } from '../shell/me';
import { due } from '../time/format';
import { useNow } from '../time/now';
import { quietly } from '../undo/change';
import { t } from '../words';
import { deleteReminder, snoozeReminder } from './changes';
import { type When, whenOf } from './when';

const EditReminder = lazy(() => import('./EditReminder'));
const ICONS = { later: Clock, tomorrow: Sunrise, nextWeek: AlarmClock } as const;

/** Puts a reminder off, changes it, or takes it away. */
export function SnoozeMenu({ reminder }: { reminder: Reminder }) {
  const zone = useZone();
  const [editing, setEditing] = useState(false);
  const now = useNow();
  return (
    <>
      <Menu
        trigger={
          <IconButton label={t('reminder.more', { message: reminder.message })} size="s">
            <Ellipsis size={16} />
          </IconButton>
        }
        items={[
          { heading: t('reminder.snooze') },
          ...(['later', 'tomorrow', 'nextWeek'] as When[]).map((which) => {
            const until = whenOf(which, now, zone);
            return {
              label: t(`snooze.${which}`),
              icon: ICONS[which],
              hint: due(new Date(until).toISOString(), now, zone),
              onSelect: () => quietly(snoozeReminder(reminder, until, zone)),
            };
          }),
          'line',
          { label: t('reminder.edit'), icon: CalendarCog, onSelect: () => setEditing(true) },
          { label: t('reminder.delete'), icon: Trash2, tone: 'bad', onSelect: () => deleteReminder(reminder) },
        ]}
      />
      {editing && (
        <Suspense>
          <EditReminder reminder={reminder} onClose={() => setEditing(false)} />
        </Suspense>
      )}
    </>
  );
}
