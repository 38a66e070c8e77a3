import { reason } from '../design/Small';
import { t } from '../words';

interface Notice {
  title: string;
  description?: string;
  kind?: 'error';
  action?: { label: string; run: () => void };
}

/** Says something at the lower edge for six seconds. The toasts' code comes when the page is idle, or with the first of them. */
export async function notify({ title, description, kind, action }: Notice): Promise<string> {
  const { toasts } = await import('../design/toasts');
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

export async function dismiss(id: string) {
  const { toasts } = await import('../design/toasts');
  toasts.close(id);
}

/** Says that something did not work, and why. */
export const complain = (what: string, error: unknown) =>
  notify({ title: what, description: reason(error), kind: 'error' });

export const copied = async (text: string, said = t('copied')) => {
  try {
    await navigator.clipboard.writeText(text);
    void notify({ title: said });
  } catch {
    void notify({ title: t('copy.failed'), kind: 'error' });
  }
};
