import { type ReactNode, useId } from 'react';
import css from './card.module.css';

interface Props {
  title: string;
  sub?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string | undefined;
  id?: string;
}

export function Card({ title, sub, actions, children, className, id }: Props) {
  const heading = useId();
  return (
    <section className={`${css.card} ${className ?? ''}`} aria-labelledby={heading} id={id}>
      <header className={css.head}>
        <div>
          <h2 id={heading}>{title}</h2>
          {sub && <p>{sub}</p>}
        </div>
        {actions}
      </header>
      {children}
    </section>
  );
}
