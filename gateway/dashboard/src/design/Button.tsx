import type { AnchorHTMLAttributes, ButtonHTMLAttributes, ReactNode, Ref } from 'react';
import css from './button.module.css';

export type Kind = 'primary' | 'plain' | 'ghost' | 'citron' | 'glass' | 'danger';
type Props = ButtonHTMLAttributes<HTMLButtonElement> & { kind?: Kind; busy?: boolean; ref?: Ref<HTMLButtonElement> };

/** What makes anything look like a button of a kind: for links that act like one. */
export const buttonClass = (className?: string) => `${css.button} ${className ?? ''}`;

export function Button({ kind = 'plain', busy, className, children, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      className={buttonClass(className)}
      data-kind={kind}
      data-busy={busy || undefined}
      aria-busy={busy || undefined}
      disabled={rest.disabled || busy}
    >
      {children}
    </button>
  );
}

/** A link out of the page (`tel:`, `mailto:`) that looks like a button. */
export const ButtonLink = ({
  kind = 'plain',
  className,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { kind?: Kind }) => (
  // oxlint-disable-next-line jsx-a11y/anchor-has-content -- its children are in the rest
  <a {...rest} className={buttonClass(className)} data-kind={kind} />
);

export function IconButton({
  label,
  size,
  className,
  children,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & {
  label: string;
  size?: 's';
  ref?: Ref<HTMLButtonElement>;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      data-size={size}
      {...rest}
      className={`${css.icon} ${className ?? ''}`}
    >
      {children}
    </button>
  );
}
