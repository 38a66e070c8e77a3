import { Link } from '@tanstack/react-router';
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

const OUTCOMES = ['created', 'updated', 'skipped', 'failed'] as const;
type Outcome = (typeof OUTCOMES)[number];

export const FormFault = ({ children }: { children: ReactNode }) => (
  <p className={css.fault} role="alert">
    {children}
  </p>
);

/** What became of rows; of those that became leads, a link to these. */
export function LeadCount({ job, outcome, children }: { job: Import; outcome: Outcome; children: ReactNode }) {
  const leads = outcome === 'created' || outcome === 'updated';
  if (!leads || job.dryRun || job[outcome] === 0 || job.state === 'undoing' || job.state === 'undone') return children;
  return (
    <Link to="/leads" search={{ import: job.id, importOutcome: outcome }} data-leads={job[outcome]}>
      {children}
    </Link>
  );
}

/** How many rows became what, or would. */
export const Counts = ({ job }: { job: Import }) => (
  <dl className={css.counts}>
    {OUTCOMES.map((key) => (
      <div key={key} data-key={key} data-none={job[key] === 0 || undefined}>
        <dt>{t(job.dryRun ? `import.would.${key}` : `import.count.${key}`)}</dt>
        <dd className="display num">
          <LeadCount job={job} outcome={key}>
            {num(job[key])}
          </LeadCount>
        </dd>
      </div>
    ))}
  </dl>
);
