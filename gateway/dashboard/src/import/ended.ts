import { QueryObserver } from '@tanstack/react-query';
import type { Import, Me } from '../api/model';
import { stir } from '../leads/cache';
import { queryClient } from '../query';
import { knownMe } from '../shell/me';
import { offer } from '../undo/change';
import { notify } from '../undo/notice';
import { said, t } from '../words';
import { importQuery, isOver, undoImport } from './queries';

/** Whether somebody may take an import back: their own, or any as an admin. */
export const mayUndo = (job: Import, { user, role }: Me): boolean =>
  !job.dryRun &&
  (job.state === 'done' || job.state === 'failed') &&
  job.created + job.updated > 0 &&
  role !== 'viewer' &&
  (role === 'owner' || role === 'admin' || job.createdBy.id === user.id);

const seen = new Set<string>();
const offers = new Map<string, () => Promise<boolean>>();

/** Says what became of an import, and offers to take it back. */
function tell(job: Import) {
  stir();
  const me = knownMe();
  if (job.state === 'failed')
    notify({ title: t('import.state.failed'), description: said(job.reason ?? job.fileName), kind: 'error' });
  else if (job.state === 'done' && me && mayUndo(job, me))
    offers.set(
      job.id,
      offer(t('import.said', { n: job.created + job.updated }), () => undoImport(job.id)),
    );
}

/** Follows an import to its end, wherever the visitor goes meanwhile. Of one that is over already nothing is said. */
export function follow(id: string) {
  if (seen.has(id)) return;
  seen.add(id);
  const stop = new QueryObserver(queryClient, importQuery(id)).subscribe(({ data }) => {
    if (!data || !isOver(data)) return;
    stop();
    tell(data);
  });
}

/** Takes an import back by the offer of its end, which goes with it; false if there was none. */
export const takeOffer = async (id: string): Promise<boolean> => (await offers.get(id)?.()) ?? false;
