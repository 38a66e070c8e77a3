// @vitest-environment happy-dom
import { afterEach, expect, it } from 'vitest';
import { isPageKey, setSingleKeys } from './shortcuts';

const press = (key: string, on: Element = document.body, more: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, ...more });
  let found = false;
  const listen = (heard: Event) => void (found = isPageKey(heard as KeyboardEvent));
  document.addEventListener('keydown', listen);
  on.dispatchEvent(event);
  document.removeEventListener('keydown', listen);
  return found;
};

afterEach(() => setSingleKeys(true));

it('keys that type are turned off by the setting; Escape, Enter and the arrows are not', () => {
  for (const key of ['j', '?', 'Escape', 'Enter', 'ArrowDown']) expect([key, press(key)]).toEqual([key, true]);
  setSingleKeys(false);
  for (const key of ['j', '?', 'ß']) expect([key, press(key)]).toEqual([key, false]);
  for (const key of ['Escape', 'Enter', 'ArrowDown']) expect([key, press(key)]).toEqual([key, true]);
});
it('no key is the page’s in a field, nor with Ctrl', () => {
  const field = document.body.appendChild(document.createElement('input'));
  for (const key of ['j', 'Enter']) expect([key, press(key, field)]).toEqual([key, false]);
  expect(press('j', document.body, { ctrlKey: true })).toBe(false);
});
