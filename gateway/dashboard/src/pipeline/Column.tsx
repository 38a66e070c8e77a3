import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type PointerEvent, useCallback, useEffect, useMemo, useRef } from 'react';
import type { LeadPage, Status } from '../api/model';
import { Failed, Skeleton, Stale } from '../design/Small';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import type { LeadFilter } from '../leads/filter';
import { Fresh } from '../leads/Fresh';
import { useHeld } from '../leads/held';
import { setOrder } from '../leads/order';
import { columnQuery } from '../leads/queries';
import { useZone } from '../shell/me';
import { num } from '../time/format';
import { t } from '../words';
import { Card } from './Card';
import css from './pipeline.module.css';

const CARD_PX = 90;
const GAP_PX = 8;
// So many cards before the end of those that are loaded, more are asked for.
const AHEAD = 40;

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
  const scroller = useRef<HTMLUListElement>(null);
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query;
  const pages = query.data?.pages;
  const all = useMemo(() => pages?.flatMap((page) => page.items) ?? [], [pages]);
  const column = useRef<HTMLElement>(null);
  const { rows, fresh, release, bind } = useHeld(column, JSON.stringify([filter, query.isPlaceholderData]), all);
  useEffect(() => setOrder(rows.map((row) => row.id)), [rows]);
  const held = dragged === undefined ? -1 : rows.findIndex((row) => row.id === dragged);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows[index]?.id ?? index, [rows]),
    estimateSize: () => CARD_PX,
    gap: GAP_PX,
    paddingStart: GAP_PX,
    paddingEnd: GAP_PX + 4,
    overscan: 6,
    // The card that is dragged stays in the page, however far its column is scrolled: a finger's events belong to it.
    rangeExtractor: (range) =>
      defaultRangeExtractor(
        held < 0
          ? range
          : {
              ...range,
              startIndex: Math.min(range.startIndex, held),
              endIndex: Math.max(range.endIndex, held),
            },
      ),
  });
  const shown = virtual.getVirtualItems();
  const first = shown[0];
  const last = shown.at(-1);
  useEffect(() => {
    if ((last?.index ?? 0) >= rows.length - AHEAD && hasNextPage && !isFetchingNextPage && !isFetchNextPageError)
      void fetchNextPage();
  });
  const count = pages?.[0]?.total ?? total;
  return (
    <section
      ref={column}
      {...bind}
      data-col={status}
      className={css.column}
      data-over={over || undefined}
      aria-label={`${t(`status.${status}`)}, ${t('leads.count', { n: count?.value ?? 0 })}`}
      style={{ '--c': stageColor(status) } as CSSProperties}
    >
      <header>
        <StageGlyph status={status} />
        <h2>{t(`status.${status}`)}</h2>
        {count && (
          <Link
            to="/leads"
            search={{ ...filter, status: [status] }}
            className="num"
            aria-label={`${t(`status.${status}`)}: ${t('leads.count', { n: count.value })}`}
            data-leads={count.value}
          >
            {num(count.value)}
            {count.relation === 'gte' ? '+' : ''}
          </Link>
        )}
      </header>
      {query.error && !pages ? (
        <Failed error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <ul ref={scroller} data-scroll="" className={css.cards} tabIndex={0} aria-label={t(`status.${status}`)}>
          {first && <li aria-hidden="true" style={{ height: first.start - GAP_PX }} />}
          {pages
            ? shown.map(({ index, key }) => {
                const lead = rows[index];
                return (
                  lead && (
                    <Card
                      key={key}
                      ref={virtual.measureElement}
                      index={index}
                      size={count?.value}
                      lead={lead}
                      faded={index === held}
                      onPress={press}
                      onMove={onMove}
                    />
                  )
                );
              })
            : Array.from({ length: 4 }, (_, i) => (
                <li key={i}>
                  <Skeleton height={92} radius={14} />
                </li>
              ))}
          {last && <li aria-hidden="true" style={{ height: virtual.getTotalSize() - last.end - GAP_PX }} />}
          {pages && rows.length === 0 && <li className={css.none}>{t('pipeline.none')}</li>}
        </ul>
      )}
      <Fresh
        n={fresh}
        onShow={() => {
          release();
          virtual.scrollToIndex(0);
          scroller.current?.focus({ preventScroll: true });
        }}
      />
      {query.error && pages && (
        <div className={css.old}>
          <Stale at={query.dataUpdatedAt} onRetry={() => void query.refetch()} />
        </div>
      )}
    </section>
  );
}
