import type { LucideIcon } from 'lucide-react';
import {
  type ButtonHTMLAttributes,
  cloneElement,
  lazy,
  type ReactElement,
  type ReactNode,
  Suspense,
  useState,
} from 'react';

export interface MenuEntry {
  label: string;
  icon?: LucideIcon;
  /** In place of an icon: a stage's glyph, a person's picture. */
  mark?: ReactNode;
  hint?: string;
  tone?: 'bad';
  /** Makes it a box to tick; the menu stays open. */
  checked?: boolean;
  disabled?: boolean;
  onSelect: () => void;
}
export type MenuPart = MenuEntry | { heading: string } | 'line';

export interface MenuProps {
  trigger: ReactElement<ButtonHTMLAttributes<HTMLButtonElement>>;
  items: MenuPart[];
  align?: 'start' | 'end';
  side?: 'top' | 'bottom';
}

const Opened = lazy(() => import('./OpenMenu'));

/** A menu behind a button. Its code comes after the page has settled; until its first click this is the button only. */
export function Menu(props: MenuProps) {
  const [used, setUsed] = useState(false);
  const resting = cloneElement(props.trigger, {
    'aria-haspopup': 'menu',
    'aria-expanded': false,
    onClick: () => setUsed(true),
  });
  if (!used) return resting;
  return (
    <Suspense fallback={resting}>
      <Opened {...props} />
    </Suspense>
  );
}
