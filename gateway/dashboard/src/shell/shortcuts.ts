import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { undoLast } from '../undo/change';
import { openPanel } from './panels';

const STORED = 'leadline.singleKeys';

/** Single keys may be in the way of speech input and of some assistive software: they can be turned off. */
export function singleKeys(): boolean {
  try {
    return localStorage.getItem(STORED) !== 'off';
  } catch {
    return true;
  }
}
export function setSingleKeys(on: boolean) {
  try {
    if (on) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, 'off');
  } catch {
    // Then they stay on.
  }
}

const TYPING =
  'input:not([type=checkbox],[type=radio]),textarea,select,[contenteditable],[role=menu],[role=listbox],[role=combobox]';
/** Whether a key press belongs to what has the focus and not to the page. */
export const isTyping = (event: KeyboardEvent) =>
  event.target instanceof Element && event.target.closest(TYPING) !== null;
/** Whether a panel or a dialog is open, which have the keys; what is said at the lower edge doesn't count. */
export const underDialog = () => document.querySelector('[role=dialog]:not([data-toast])') !== null;
/** Whether a dialog stands over the whole page. */
export const inModal = () => document.querySelector('[data-base-ui-inert], [role=dialog][aria-modal=true]') !== null;
/** A key that types something: the others (Escape, Enter, the arrows) are in nobody's way. */
const isLetter = (event: KeyboardEvent) => [...event.key].length === 1;
/** A single key meant for the page. */
export const isPageKey = (event: KeyboardEvent) =>
  !event.defaultPrevented &&
  !event.metaKey &&
  !event.ctrlKey &&
  !event.altKey &&
  !isTyping(event) &&
  (!isLetter(event) || singleKeys());

const GO = { d: '/', l: '/leads', p: '/pipeline', r: '/reminders', e: '/reports', a: '/activity' } as const;
const SECOND_KEY_MS = 1_000;

export function useShortcuts(canWrite: boolean) {
  const navigate = useNavigate();
  useEffect(() => {
    let pressedG = 0;
    const onKey = (event: KeyboardEvent) => {
      const key = event.key.toLowerCase();
      if ((event.metaKey || event.ctrlKey) && !event.altKey) {
        if (key === 'k') {
          event.preventDefault();
          openPanel('palette');
        } else if (key === 'z' && !event.shiftKey && !isTyping(event)) {
          event.preventDefault();
          void undoLast();
        }
        return;
      }
      if (!isPageKey(event) || inModal()) return;
      if (Date.now() - pressedG < SECOND_KEY_MS) {
        pressedG = 0;
        const to = GO[key as keyof typeof GO];
        if (to) {
          event.preventDefault();
          void navigate({ to });
          return;
        }
      }
      if (key === 'g') pressedG = Date.now();
      else if (key === '/') {
        event.preventDefault();
        openPanel('palette');
      } else if (event.key === '?') openPanel('help');
      else if (key === 'n' && canWrite) {
        event.preventDefault();
        void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) });
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [navigate, canWrite]);
}
