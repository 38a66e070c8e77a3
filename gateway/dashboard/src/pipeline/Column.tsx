import { useInfiniteQuery } from '@tanstack/react-query';
import { type CSSProperties, type PointerEvent, useEffect, useRef } from 'react';
import type { LeadPage, Status } from '../api/model';
import { Failed, Skeleton } from '../design/Small';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import type { LeadFilter } from '../leads/filter';
import { columnQuery } from '../leads/queries';
import { useZone } from '../shell/me';
import { num } from '../time/format';
import { t } from '../words';
import { Card } from './Card';
import css from './pipeline.module.css';

interface Props {
  status: Status;
  filter: LeadFilter;
  total: LeadPage['total'] | undefined;
  over: boolean;
  dragged: string | undefined;
  press: ((id: string) => (event: PointerEvent<HTMLElement>) => void) | undefined;
  onMove: (id: string, to: Status) => void;
}

/** One stage: its true count, and its cards as far as they have been scrolled to. */
export function Column({ status, filter, total, over, dragged, press, onMove }: Props) {
  const zone = useZone();
  const query = useInfiniteQuery(columnQuery(status, filter, zone));
  const end = useRef<HTMLLIElement>(null);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    const mark = end.current;
    if (!mark || !hasNextPage) return;
    const seen = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && !isFetchingNextPage && void fetchNextPage(),
      { rootMargin: '300px' },
    );
    seen.observe(mark);
    return () => seen.disconnect();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const pages = query.data?.pages;
  const count = pages?.[0]?.total ?? total;
  return (
    <section
      data-col={status}
      className={css.column}
      data-over={over || undefined}
      aria-label={`${t(`status.${status}`)}, ${t('leads.count', { n: count?.value ?? 0 })}`}
      style={{ '--c': stageColor(status) } as CSSProperties}
    >
      <header>
        <StageGlyph status={status} />
        <h2>{t(`status.${status}`)}</h2>
        <small className="num">{count ? `${num(count.value)}${count.relation === 'gte' ? '+' : ''}` : ''}</small>
      </header>
      {query.error && !pages ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <ul data-scroll="" className={css.cards} tabIndex={0} aria-label={t(`status.${status}`)}>
          {pages
            ? pages.flatMap((page) =>
                page.items.map((lead) => (
                  <Card key={lead.id} lead={lead} faded={dragged === lead.id} onPress={press} onMove={onMove} />
                )),
              )
            : Array.from({ length: 4 }, (_, i) => (
                <li key={i}>
                  <Skeleton height={92} radius={14} />
                </li>
              ))}
          {pages?.[0]?.items.length === 0 && <li className={css.none}>{t('pipeline.none')}</li>}
          <li ref={end} aria-hidden="true" className={css.end}>
            {isFetchingNextPage && <Skeleton height={92} radius={14} />}
          </li>
        </ul>
      )}
    </section>
  );
}
