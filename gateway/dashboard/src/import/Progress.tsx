import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, Download, LoaderCircle, Undo2 } from 'lucide-react';
import { useEffect } from 'react';
import type { Import } from '../api/model';
import { Button, buttonClass } from '../design/Button';
import { Failed } from '../design/Small';
import { stir } from '../leads/cache';
import { downloadImportErrors } from '../reports/download';
import { useMe } from '../shell/me';
import { num } from '../time/format';
import { complain } from '../undo/notice';
import { said, t } from '../words';
import { follow, mayUndo, takeOffer } from './ended';
import css from './import.module.css';
import { Counts, FormFault } from './parts';
import { importQuery, isOver, undoImport } from './queries';

const takeBack = (id: string) => undoImport(id).catch((error: unknown) => complain(t('import.undo.failed'), error));

/** An import on its way, and what became of it. It goes on by itself if the page is left. */
export function Progress({ id, onAgain }: { id: string; onAgain: () => void }) {
  const query = useQuery(importQuery(id));
  const me = useMe();
  const job = query.data;
  const over = job !== undefined && isOver(job);
  const state = job?.state;
  // Only of what this page has seen on its way the end is announced: an earlier one has its button.
  const running = state === 'queued' || state === 'running';
  useEffect(() => {
    if (running) follow(id);
  }, [running, id]);
  useEffect(() => {
    if (over) stir();
  }, [over, state]);
  const undo = async () => (await takeOffer(id)) || takeBack(id);
  if (!job) return query.error ? <Failed error={query.error} onRetry={() => void query.refetch()} /> : null;
  const Icon = job.state === 'failed' ? CircleX : job.state === 'undone' ? Undo2 : over ? CircleCheck : LoaderCircle;
  const undoing = job.state === 'undoing' || job.state === 'undone';
  const gone = job.state === 'undone' && job.created > 0;
  const total = undoing ? job.created + job.updated : job.totalRows;
  const seen = undoing ? job.takenBack + job.kept : job.rows;
  return (
    <div className={css.page}>
      <section className={css.result} data-state={job.state} aria-live="polite">
        <Icon size={34} aria-hidden="true" />
        <h2>{t(`import.state.${job.state}`)}</h2>
        <p className={css.dim}>{job.fileName}</p>
        {!over && (
          <>
            <progress
              max={total ?? undefined}
              value={total ? seen : undefined}
              aria-label={t(`import.state.${job.state}`)}
            />
            <p className="num">
              {total ? t('import.progress', { done: num(seen), rows: num(total) }) : t('import.counting')}
            </p>
            <p className={css.dim}>{t('import.leave')}</p>
          </>
        )}
        {job.reason && <FormFault>{said(job.reason)}</FormFault>}
        {job.state === 'undone' ? (
          <p>
            <TakenBack job={job} /> {job.kept > 0 && t('import.kept', { n: job.kept })}
          </p>
        ) : (
          <Counts job={job} />
        )}
        {over && (
          <div className={css.acts}>
            <Link
              to="/leads"
              search={job.state !== 'undone' ? { import: id } : gone ? { import: id, trashed: true } : {}}
              className={buttonClass()}
              data-kind="primary"
            >
              {t(gone ? 'import.seeTrash' : 'import.see')}
            </Link>
            {job.failed > 0 && (
              <Button onClick={() => void downloadImportErrors(id)}>
                <Download size={15} aria-hidden="true" />
                {t('import.errors')}
              </Button>
            )}
            {mayUndo(job, me) && (
              <Button onClick={() => void undo()}>
                <Undo2 size={15} aria-hidden="true" />
                {t('import.undo')}
              </Button>
            )}
            <Button onClick={onAgain}>{t('import.again')}</Button>
          </div>
        )}
      </section>
    </div>
  );
}

/** What it had made is in the trash; what it had changed is as it was, and is not to be told from others. */
function TakenBack({ job }: { job: Import }) {
  const said = t('import.takenBack', { n: job.takenBack });
  if (job.takenBack === 0 || job.updated > 0) return said;
  return (
    <Link to="/leads" search={{ import: job.id, trashed: true }} data-leads={job.takenBack}>
      {said}
    </Link>
  );
}
