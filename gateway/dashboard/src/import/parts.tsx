import { Lock } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Import } from '../api/model';
import { Empty as Base } from '../design/Small';
import { num } from '../time/format';
import { t } from '../words';
import css from './import.module.css';

export const Empty = () => (
  <Base icon={Lock} title={t('import.viewer')}>
    {t('import.viewer.sub')}
  </Base>
);

export const FormFault = ({ children }: { children: ReactNode }) => (
  <p className={css.fault} role="alert">
    {children}
  </p>
);

/** How many rows became what, or would. */
export const Counts = ({ job }: { job: Import }) => (
  <dl className={css.counts}>
    {(['created', 'updated', 'skipped', 'failed'] as const).map((key) => (
      <div key={key} data-key={key} data-none={job[key] === 0 || undefined}>
        <dt>{t(job.dryRun ? `import.would.${key}` : `import.count.${key}`)}</dt>
        <dd className="display num">{num(job[key])}</dd>
      </div>
    ))}
  </dl>
);
