import { queryOptions, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, ok } from '../api/client';
import { Failed, Skeleton } from '../design/Small';
import { type LeadFilter, toQuery } from '../leads/filter';
import { day, num } from '../time/format';
import { addDays } from '../time/zone';
import { t } from '../words';
import { byHour, condense } from './arrivals';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import type { View } from './view';

// The figures know days, not hours: the newest leads of the period are read, and the card says so when there are more.
const MOST = 1000;

const arrivalsQuery = (filter: LeadFilter, zone: string) =>
  queryOptions({
    // Not read again with the figures: five pages of leads at every change would be too much for a pattern of weeks.
    queryKey: ['arrivals', filter, zone],
    queryFn: async ({ signal }) => {
      const times: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await ok(
          api.GET('/api/v1/leads', { params: { query: { ...toQuery(filter, zone), limit: 200, cursor } }, signal }),
        );
        for (const lead of page.items) times.push(lead.createdAt);
        cursor = page.nextCursor ?? undefined;
      } while (cursor && times.length < MOST);
      return { times, all: !cursor };
    },
    staleTime: 5 * 60_000,
  });

const MONDAY = '2026-11-23';
const name = (row: number, weekday: 'short' | 'long') => day(addDays(MONDAY, row), { weekday });
const clock = (hour: number) => `${String(hour).padStart(2, '0')}:00`;

export function ArrivalsCard({ view, className }: { view: View; className?: string | undefined }) {
  const filter = { ...view.filter, createdFrom: view.window.from, createdTo: view.window.to };
  const { data, error, refetch } = useQuery(arrivalsQuery(filter, view.zone));
  const grid = useMemo(() => condense(byHour(data?.times ?? [], view.zone)), [data, view.zone]);
  const { hours, rows, max, best } = grid;
  const sub = best
    ? t('chart.arrivals.best', { day: name(best[0], 'long'), hour: clock(hours[best[1]] ?? 0) })
    : t('chart.arrivals.sub');
  return (
    <ChartCard
      className={className}
      title={t('chart.arrivals')}
      sub={data && !data.all ? `${sub} · ${t('chart.arrivals.newest', { n: num(data.times.length) })}` : sub}
      table={{ head: ['', ...hours.map(clock)], rows: rows.map((row, r) => [name(r, 'short'), ...row]) }}
    >
      {data ? (
        <table className={css.heat}>
          <caption className="sr">{t('chart.arrivals')}</caption>
          <thead>
            <tr>
              <td />
              {hours.map((hour, c) => (
                <th key={hour} scope="col">
                  <span aria-hidden="true">{hours.length > 6 && c % 2 ? '' : clock(hour).slice(0, 2)}</span>
                  <span className="sr">{clock(hour)}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, r) => (
              <tr key={name(r, 'short')}>
                <th scope="row">{name(r, 'short')}</th>
                {row.map((value, c) => (
                  <td key={hours[c]} title={`${name(r, 'long')} ${clock(hours[c] ?? 0)}: ${num(value)}`}>
                    <span
                      data-swatch=""
                      data-best={(best?.[0] === r && best[1] === c) || undefined}
                      style={{
                        background: value
                          ? `color-mix(in oklab, var(--series) ${Math.round(10 + (value / max) * 88)}%, var(--sunken))`
                          : 'var(--sunken)',
                      }}
                    >
                      <span className="sr">{value}</span>
                    </span>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : error ? (
        <Failed error={error} onRetry={() => void refetch()} />
      ) : (
        <Skeleton height={250} radius={12} />
      )}
    </ChartCard>
  );
}
