import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleCheck, CircleX, Download, LoaderCircle, Undo2 } from 'lucide-react';
import { useEffect, useRef } from 'react';
import type { Import } from '../api/model';
import { Button, buttonClass } from '../design/Button';
import { Failed } from '../design/Small';
import { stir } from '../leads/cache';
import { downloadImportErrors } from '../reports/download';
import { useMe } from '../shell/me';
import { num } from '../time/format';
import { offer } from '../undo/change';
import { complain } from '../undo/notice';
import { said, t } from '../words';
import css from './import.module.css';
import { Counts, FormFault } from './parts';
import { importQuery, isOver, undoImport } from './queries';

/** Whether the visitor may take an import back: their own, or any as an admin. */
export function useMayUndo(): (job: Import) => boolean {
  const { user, role } = useMe();
  return (job) =>
    !job.dryRun &&
    (job.state === 'done' || job.state === 'failed') &&
    job.created + job.updated > 0 &&
    role !== 'viewer' &&
    (role === 'owner' || role === 'admin' || job.createdBy.id === user.id);
}

const takeBack = (id: string) => undoImport(id).catch((error: unknown) => complain(t('import.undo.failed'), error));

/** An import on its way, and what became of it. It goes on by itself if the page is left. */
export function Progress({ id, onAgain }: { id: string; onAgain: () => void }) {
  const query = useQuery(importQuery(id));
  const mayUndo = useMayUndo();
  const job = query.data;
  const over = job !== undefined && isOver(job);
  const state = job?.state;
  const watched = useRef(false);
  const offered = useRef<() => Promise<boolean>>(undefined);
  useEffect(() => {
    if (!job) return;
    if (!over) {
      watched.current = true;
      return;
    }
    stir();
    // Only what this page has seen end is offered to be taken back: an earlier one has its button.
    // Once: an answer from before the end may still come after it.
    if (watched.current && !offered.current && state === 'done' && mayUndo(job))
      offered.current = offer(t('import.said', { n: job.created + job.updated }), () => undoImport(id));
    watched.current = false;
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- once for each end
  }, [over, state]);
  // The toast that offers it goes with it.
  const undo = async () => (await offered.current?.()) || takeBack(id);
  if (!job) return query.error ? <Failed error={query.error} onRetry={() => void query.refetch()} /> : null;
  const Icon = job.state === 'failed' ? CircleX : job.state === 'undone' ? Undo2 : over ? CircleCheck : LoaderCircle;
  const undoing = job.state === 'undoing' || job.state === 'undone';
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
            {t('import.takenBack', { n: job.takenBack })} {job.kept > 0 && t('import.kept', { n: job.kept })}
          </p>
        ) : (
          <Counts job={job} />
        )}
        {over && (
          <div className={css.acts}>
            <Link to="/leads" search={{}} className={buttonClass()} data-kind="primary">
              {t('import.see')}
            </Link>
            {job.failed > 0 && (
              <Button onClick={() => void downloadImportErrors(id)}>
                <Download size={15} aria-hidden="true" />
                {t('import.errors')}
              </Button>
            )}
            {mayUndo(job) && (
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
