import { queryOptions, useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { api, ok } from '../api/client';
import { Skeleton } from '../design/Small';
import { type LeadFilter, toQuery } from '../leads/filter';
import { chosenFrom } from '../leads/order';
import { date, day, num } from '../time/format';
import { addDays, asUtc } from '../time/zone';
import { t } from '../words';
import { byHour, condense, placeOf } from './arrivals';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import { standingOf } from './figures';
import type { View } from './view';

const ArrivedDialog = lazy(() => import('./ArrivedDialog'));

// The figures know days, not hours: the newest leads of the period are read, and the card says so when there are more.
const MOST = 1000;

/** What is kept of a lead to say which ones a cell counts. */
export interface Arrived {
  id: string;
  name: string;
  company: string | null;
  createdAt: string;
}

const arrivalsQuery = (filter: LeadFilter, zone: string) =>
  queryOptions({
    // Not read again with the figures: five pages of leads at every change would be too much for a pattern of weeks.
    queryKey: ['arrivals', filter, zone],
    queryFn: async ({ signal }) => {
      const leads: Arrived[] = [];
      let cursor: string | undefined;
      do {
        const page = await ok(
          api.GET('/api/v1/leads', { params: { query: { ...toQuery(filter, zone), limit: 200, cursor } }, signal }),
        );
        for (const { id, name, company, createdAt } of page.items) leads.push({ id, name, company, createdAt });
        cursor = page.nextCursor ?? undefined;
      } while (cursor && leads.length < MOST);
      return { leads, all: !cursor };
    },
    staleTime: 5 * 60_000,
  });

const MONDAY = '2026-11-23';
const name = (row: number, weekday: 'short' | 'long') => day(addDays(MONDAY, row), { weekday });
const HOUR_MS = 3_600_000;
/** An hour of the day as the visitor's clock shows it; alone, where there is no room for minutes. */
const clock = (hour: number) => date(asUtc(MONDAY) + hour * HOUR_MS, { hour: '2-digit', minute: '2-digit' }, 'UTC');
const hourAlone = (hour: number) => date(asUtc(MONDAY) + hour * HOUR_MS, { hour: 'numeric' }, 'UTC');

export function ArrivalsCard({ view, className }: { view: View; className?: string | undefined }) {
  const filter = { ...view.filter, createdFrom: view.window.from, createdTo: view.window.to };
  const arrivals = useQuery(arrivalsQuery(filter, view.zone));
  const { data } = arrivals;
  const grid = useMemo(
    () =>
      condense(
        byHour(
          (data?.leads ?? []).map((lead) => lead.createdAt),
          view.zone,
        ),
      ),
    [data, view.zone],
  );
  const { hours, span, rows, max, best } = grid;
  const [opened, setOpened] = useState<[row: number, column: number] | null>(null);
  // A lead that was chosen from a cell goes on to the cell's next, until the page is left.
  useEffect(() => () => chosenFrom([]), []);
  const inCell = ([row, column]: [number, number]) => {
    const from = hours[column] ?? 0;
    return (data?.leads ?? []).filter((lead) => {
      const [weekday, hour] = placeOf(lead.createdAt, view.zone);
      return weekday === row && hour >= from && hour < from + span;
    });
  };
  const sub = best
    ? t('chart.arrivals.best', { day: name(best[0], 'long'), hour: clock(hours[best[1]] ?? 0) })
    : t('chart.arrivals.sub');
  return (
    <ChartCard
      className={className}
      title={t('chart.arrivals')}
      standing={standingOf([arrivals])}
      sub={data && !data.all ? `${sub} · ${t('chart.arrivals.newest', { n: num(data.leads.length) })}` : sub}
      table={{ head: ['', ...hours.map(clock)], rows: rows.map((row, r) => [name(r, 'short'), ...row]) }}
    >
      {data ? (
        <table className={css.heat} onKeyDown={walk}>
          <caption className="sr">{t('chart.arrivals')}</caption>
          <thead>
            <tr>
              <td />
              {hours.map((hour, c) => (
                <th key={hour} scope="col">
                  <span aria-hidden="true">{hours.length > 6 && c % 2 ? '' : hourAlone(hour)}</span>
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
                  <td key={hours[c]}>
                    <button
                      type="button"
                      data-swatch=""
                      data-leads={value}
                      // One stop for the whole table: the arrow keys go on from it.
                      tabIndex={best ? (best[0] === r && best[1] === c ? 0 : -1) : r + c ? -1 : 0}
                      aria-label={t('chart.arrivals.cell', {
                        day: name(r, 'long'),
                        hour: clock(hours[c] ?? 0),
                        n: value,
                      })}
                      title={t('chart.arrivals.cell', { day: name(r, 'long'), hour: clock(hours[c] ?? 0), n: value })}
                      onClick={() => value > 0 && setOpened([r, c])}
                      data-best={(best?.[0] === r && best[1] === c) || undefined}
                      style={{
                        background: value
                          ? `color-mix(in oklab, var(--series) ${Math.round(10 + (value / max) * 88)}%, var(--sunken))`
                          : 'var(--sunken)',
                      }}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <Skeleton height={250} radius={12} />
      )}
      {opened && (
        <Suspense>
          <ArrivedDialog
            title={t('chart.arrivals.came', {
              n: inCell(opened).length,
              day: name(opened[0], 'long'),
              from: clock(hours[opened[1]] ?? 0),
              to: clock((hours[opened[1]] ?? 0) + span),
            })}
            leads={inCell(opened)}
            onClose={() => setOpened(null)}
          />
        </Suspense>
      )}
    </ChartCard>
  );
}

/** The arrow keys go from cell to cell. */
function walk(event: KeyboardEvent<HTMLTableElement>) {
  const cell = (event.target as HTMLElement).closest('td');
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const row = cell?.parentElement as HTMLTableRowElement | null | undefined;
  if (!cell || !row || !step) return;
  const body = row.parentElement as HTMLTableSectionElement;
  const next = body.rows[row.sectionRowIndex + (step[0] ?? 0)]?.cells[cell.cellIndex + (step[1] ?? 0)];
  const button = next?.querySelector('button');
  if (!button) return;
  event.preventDefault();
  button.focus();
}
