import type { ReactNode } from 'react';
import { t } from '../words';
import css from './auth.module.css';

/** The frame of the pages before the application: the form on paper, the promise on green. */
export const Split = ({ title, sub, children }: { title: string; sub: ReactNode; children: ReactNode }) => (
  <div className={css.split}>
    <main className={css.left}>
      <div className={css.brand}>
        <img src="/icon.svg" alt="" width="40" height="40" />
        <span className="display">Leadline</span>
      </div>
      <h1>{title}</h1>
      <p className={css.sub}>{sub}</p>
      {children}
    </main>
    <aside className={css.right} aria-hidden="true">
      <div className={css.quote}>
        <p className="display">{t('auth.promise')}</p>
        <ul>
          <li>{t('auth.promise.1')}</li>
          <li>{t('auth.promise.2')}</li>
          <li>{t('auth.promise.3')}</li>
        </ul>
      </div>
    </aside>
  </div>
);
