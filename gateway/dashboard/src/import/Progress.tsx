import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, Download, LoaderCircle } from 'lucide-react';
import { useEffect } from 'react';
import { importErrorsUrl, importState } from '../api/undescribed';
import { Button, buttonClass } from '../design/Button';
import { Failed } from '../design/Small';
import { stir } from '../leads/cache';
import { downloadThrough } from '../reports/download';
import { num } from '../time/format';
import { t } from '../words';
import css from './import.module.css';

/** An import on its way, and what became of it. It goes on by itself if the page is left. */
export function Progress({ id, onAgain }: { id: string; onAgain: () => void }) {
  const query = useQuery({
    queryKey: ['import', id],
    queryFn: ({ signal }) => importState(id, signal),
    refetchInterval: (one) => (one.state.data && !['queued', 'running'].includes(one.state.data.state) ? false : 700),
    staleTime: 0,
  });
  const job = query.data;
  const over = job !== undefined && !['queued', 'running'].includes(job.state);
  useEffect(() => {
    if (over) stir();
  }, [over]);
  if (!job) return query.error ? <Failed error={query.error} onRetry={() => void query.refetch()} /> : null;
  const seen = job.created + job.updated + job.skipped + job.failed;
  const Icon = job.state === 'done' ? CircleCheck : job.state === 'failed' ? CircleX : LoaderCircle;
  return (
    <div className={css.page}>
      <section className={css.result} data-state={job.state} aria-live="polite">
        <Icon size={34} aria-hidden="true" />
        <h2>{t(`import.state.${job.state}`)}</h2>
        {!over && (
          <>
            <progress max={Math.max(job.rows, 1)} value={seen} aria-label={t('import.state.running')} />
            <p className="num">{t('import.progress', { done: num(seen), rows: num(job.rows) })}</p>
            <p className={css.dim}>{t('import.leave')}</p>
          </>
        )}
        <dl>
          {(['created', 'updated', 'skipped', 'failed'] as const).map((key) => (
            <div key={key} data-key={key}>
              <dt>{t(`import.count.${key}`)}</dt>
              <dd className="display num">{num(job[key])}</dd>
            </div>
          ))}
        </dl>
        {over && (
          <div className={css.acts}>
            <Link to="/leads" search={{}} className={buttonClass()} data-kind="primary">
              {t('import.see')}
            </Link>
            {job.failed > 0 && (
              <Button onClick={() => void downloadThrough(importErrorsUrl(id), 'import-errors.csv')}>
                <Download size={15} aria-hidden="true" />
                {t('import.errors')}
              </Button>
            )}
            <Button onClick={onAgain}>{t('import.again')}</Button>
          </div>
        )}
      </section>
    </div>
  );
}
