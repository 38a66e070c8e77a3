import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { SearchX, Users } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Button, buttonClass } from '../design/Button';
import { Empty, Failed, Skeleton, Stale } from '../design/Small';
import { useCanWrite, useZone } from '../shell/me';
import { useNarrow } from '../shell/narrow';
import { t } from '../words';
import { BulkBar } from './BulkBar';
import { Chips } from './Chips';
import type { Cursor } from './cursor';
import { conditions } from './filter';
import css from './leads.module.css';
import { LeadTable } from './LeadTable';
import { NarrowList } from './NarrowList';
import { setOrder } from './order';
import { leadsQuery } from './queries';
import { useSelection } from './selection';
import { Toolbar } from './Toolbar';
import { useFilter } from './useFilter';

export default function Leads() {
  const zone = useZone();
  const narrow = useNarrow();
  const { filter } = useFilter();
  const query = useInfiniteQuery(leadsQuery(filter, zone));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const total = query.data?.pages[0]?.total;
  const selection = useSelection(filter);
  const [cursor, setCursor] = useState<Cursor | null>(null);
  useEffect(() => setOrder(rows.map((row) => row.id)), [rows]);
  const more = () => {
    if (query.hasNextPage && !query.isFetchingNextPage && !query.isFetchNextPageError) void query.fetchNextPage();
  };
  const shared = { rows, selection, more, placeholder: query.isPlaceholderData };
  return (
    <div className={css.page}>
      <Toolbar
        total={total}
        stale={
          query.error && query.data ? <Stale at={query.dataUpdatedAt} onRetry={() => void query.refetch()} /> : null
        }
      />
      <Chips />
      {!query.data ? (
        query.error ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <div className={css.waiting} aria-busy="true">
            {Array.from({ length: 11 }, (_, i) => (
              <Skeleton key={i} height={i === 0 ? 44 : 54} radius={10} />
            ))}
          </div>
        )
      ) : rows.length === 0 ? (
        <NoLeads />
      ) : narrow ? (
        <NarrowList {...shared} />
      ) : (
        <LeadTable {...shared} loading={query.isFetchingNextPage} cursor={cursor} setCursor={setCursor} />
      )}
      <BulkBar rows={rows} selection={selection} total={total} />
    </div>
  );
}

function NoLeads() {
  const { filter, replace } = useFilter();
  const navigate = useNavigate();
  const canWrite = useCanWrite();
  if (conditions(filter).length || filter.q)
    return (
      <div className={css.wrap}>
        <Empty
          icon={SearchX}
          title={filter.trashed ? t('leads.trashEmpty') : t('leads.none')}
          actions={<Button onClick={() => replace({})}>{t('filter.clear')}</Button>}
        >
          {filter.trashed ? t('leads.trashEmpty.sub') : t('leads.none.sub')}
        </Empty>
      </div>
    );
  return (
    <div className={css.wrap}>
      <Empty
        icon={Users}
        title={t('leads.first')}
        actions={
          canWrite && (
            <>
              <Button
                kind="primary"
                onClick={() => void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) })}
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
        {t('leads.first.sub')}
      </Empty>
    </div>
  );
}
