import { useQueries, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Kanban } from 'lucide-react';
import { useCallback, useRef, useState } from 'react';
import { type Status, STATUSES } from '../api/model';
import { buttonClass, Button } from '../design/Button';
import { SearchBox } from '../design/SearchBox';
import { Chip, Empty } from '../design/Small';
import { Filter } from './Filter';
import { findRow } from '../leads/cache';
import type { LeadFilter } from '../leads/filter';
import { requestMove } from '../leads/move';
import { countQuery } from '../leads/queries';
import { useCanWrite, useZone } from '../shell/me';
import { t } from '../words';
import { Card } from './Card';
import { Column } from './Column';
import css from './pipeline.module.css';
import { useBoardDrag } from './useBoardDrag';

const route = getRouteApi('/app/pipeline');

export default function Pipeline() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const zone = useZone();
  const canWrite = useCanWrite();
  const board = useRef<HTMLDivElement>(null);
  const [said, setSaid] = useState('');
  const filter: LeadFilter = Object.fromEntries(
    Object.entries({ q: search.q, source: search.source, tag: search.tag, owner: search.owner }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  const set = (patch: Partial<LeadFilter>) => void navigate({ search: (old) => ({ ...old, ...patch }), replace: true });
  const move = useCallback((id: string, to: string) => {
    const lead = findRow(id);
    if (!lead || lead.status === to) return;
    // Not before it has happened: it may be refused, or the question why it was lost be closed.
    requestMove(lead, to as Status, () =>
      setSaid(t('pipeline.moved', { name: lead.name, status: t(`status.${to as Status}`) })),
    );
  }, []);
  const { drag, press, ghost } = useBoardDrag(board, move);
  const held = drag ? findRow(drag.id) : undefined;
  const filtered = Object.keys(filter).length > 0;
  const counts = useQueries({ queries: STATUSES.map((status) => countQuery({ ...filter, status: [status] }, zone)) });
  // One answer, as the counts of the stages are of five moments: while a lead moves each may be without it.
  const all = useQuery(countQuery({}, zone));
  if (all.data?.value === 0 && !filtered)
    return (
      <Empty
        icon={Kanban}
        title={t('leads.first')}
        actions={
          canWrite && (
            <>
              <Button
                kind="primary"
                onClick={() => void navigate({ search: (old) => ({ ...old, new: true as const }) })}
              >
                {t('welcome.first')}
              </Button>
              <Link to="/import" className={buttonClass()} data-kind="plain">
                {t('welcome.import')}
              </Link>
            </>
          )
        }
      >
        {t('pipeline.first.sub')}
      </Empty>
    );
  return (
    <div className={css.page}>
      <div className={css.bar}>
        <SearchBox value={filter.q ?? ''} onChange={(q) => set({ q: q || undefined })} />
        <Filter filter={filter} set={set} />
        {filter.source?.map((source) => (
          <Chip
            key={source}
            name={t(`source.${source}`)}
            onRemove={() => set({ source: filter.source?.filter((one) => one !== source) })}
          >
            {t(`source.${source}`)}
          </Chip>
        ))}
      </div>
      <div ref={board} className={css.board} data-dragging={drag ? '' : undefined}>
        {STATUSES.map((status, i) => (
          <Column
            key={status}
            status={status}
            filter={filter}
            total={counts[i]?.data}
            over={drag?.over === status && held?.status !== status}
            dragged={drag?.id}
            press={canWrite ? press : undefined}
            onMove={move}
          />
        ))}
        {drag && held && (
          <ul ref={ghost} className={css.ghost} style={{ width: drag.width }} aria-hidden="true">
            <Card lead={held} faded={false} />
          </ul>
        )}
      </div>
      <output className="sr" aria-live="polite">
        {said}
      </output>
    </div>
  );
}
