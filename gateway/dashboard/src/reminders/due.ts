import type { Reminder } from '../api/model';
import { openLead } from '../leads/open';
import { knownMe } from '../shell/me';
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

// What was said already: after a gap the stream tells some of it again. Put off, a reminder falls due at another time.
const said = new Set<string>();
const MOST_SAID = 500;

/** Whether a reminder that has fallen due is to be said here: to whom it is for, and once. */
export function isNews({ id, assignee, dueAt }: Pick<Reminder, 'id' | 'assignee' | 'dueAt'>): boolean {
  if (assignee.id !== knownMe()?.user.id) return false;
  const key = `${id} ${dueAt}`;
  if (said.has(key)) return false;
  said.add(key);
  for (const oldest of said) {
    if (said.size <= MOST_SAID) break;
    said.delete(oldest);
  }
  return true;
}

/** A reminder of the visitor's has fallen due: said on the page, and by the browser if the page is not in view. */
export function fellDue(told: Reminder | { reminder: Reminder }) {
  const reminder = 'reminder' in told ? told.reminder : told;
  if (!isNews(reminder)) return;
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
