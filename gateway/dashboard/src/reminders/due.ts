import type { Reminder } from '../api/model';
import { openLead } from '../leads/open';
import { notify } from '../undo/notice';
import { t } from '../words';

const STORED = 'leadline.notices';

/** Whether the browser may show notices: only if the visitor asked for them. */
export function noticesOn(): boolean {
  try {
    return 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(STORED) === 'on';
  } catch {
    return false;
  }
}
export async function setNotices(on: boolean): Promise<boolean> {
  if (on && (!('Notification' in window) || (await Notification.requestPermission()) !== 'granted')) return false;
  try {
    localStorage.setItem(STORED, on ? 'on' : 'off');
  } catch {
    return false;
  }
  return on;
}

/** A reminder has fallen due: said on the page, and by the browser if the page is not in view. */
export function fellDue(told: Reminder | { reminder: Reminder }) {
  const reminder = 'reminder' in told ? told.reminder : told;
  const open = () => openLead(reminder.lead.id);
  notify({
    title: reminder.message,
    description: t('reminder.dueNow', { name: reminder.lead.name }),
    action: { label: t('open'), run: open },
  });
  if (document.visibilityState === 'hidden' && noticesOn()) {
    const notice = new Notification(reminder.message, {
      body: reminder.lead.name,
      tag: reminder.id,
      icon: '/icon-192.png',
    });
    notice.addEventListener('click', () => {
      window.focus();
      open();
    });
  }
}
