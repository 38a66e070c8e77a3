import { reason } from '../design/Small';
import { toasts } from '../design/toasts';
import { t } from '../words';

interface Notice {
  title: string;
  description?: string;
  kind?: 'error';
  action?: { label: string; run: () => void };
}

/** Says something at the lower edge for six seconds. Its code comes with the page: what must be said may be that the server is out of reach. */
export function notify({ title, description, kind, action }: Notice): string {
  return toasts.add({
    title,
    description,
    type: kind,
    // Errors are read out at once.
    priority: kind === 'error' ? 'high' : 'low',
    timeout: kind === 'error' ? 9000 : 6000,
    ...(action ? { actionProps: { children: action.label, onClick: action.run } } : {}),
  });
}

export function dismiss(id: string) {
  toasts.close(id);
}

/** Says that something did not work, and why. */
export const complain = (what: string, error: unknown, action?: Notice['action']) =>
  notify({ title: what, description: reason(error), kind: 'error', ...(action ? { action } : {}) });

export const copied = async (text: string, said = t('copied')) => {
  try {
    await navigator.clipboard.writeText(text);
    notify({ title: said });
  } catch {
    notify({ title: t('copy.failed'), kind: 'error' });
  }
};
