import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { ChevronLeft, ChevronRight, Download, FileSpreadsheet, FileText, Printer, Sheet } from 'lucide-react';
import type { Figures, Interval, Report } from '../api/model';
import { ChartCard } from '../dashboard/ChartCard';
import { standingOf } from '../dashboard/figures';
import { FunnelBars, funnelTable } from '../dashboard/FunnelCard';
import { createdQuery, funnelQuery, reportQuery } from '../dashboard/queries';
import { Button, IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { Delta, Failed, Segmented, Skeleton, Stale } from '../design/Small';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import { TimeSeries } from '../charts/TimeSeries';
import type { LeadFilter } from '../leads/filter';
import { useMe } from '../shell/me';
import { date as instant, day, days, num, percent, share } from '../time/format';
import { useNow } from '../time/now';
import { bucketOf } from '../time/range';
import { addDays, dayOf, type Day } from '../time/zone';
import { type Key, t } from '../words';
import { csv, downloadFigures, downloadMonth, save } from './download';
import css from './reports.module.css';

const route = getRouteApi('/app/reports');
type Counted = Exclude<keyof Figures, 'rate'>;
const FIGURES: { key: Counted; label: Key; good: boolean }[] = [
  { key: 'created', label: 'report.created', good: true },
  { key: 'contacted', label: 'report.contacted', good: true },
  { key: 'qualified', label: 'report.qualified', good: true },
  { key: 'converted', label: 'report.converted', good: true },
  { key: 'lost', label: 'report.lost', good: false },
];

const periodName = (period: Interval, from: Day, to: Day) =>
  period === 'month'
    ? day(from, { month: 'long', year: 'numeric' })
    : period === 'week'
      ? days(from, to, { day: 'numeric', month: 'long', year: 'numeric' })
      : day(from, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export default function Reports() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const me = useMe();
  const zone = me.workspace.timezone;
  const now = useNow();
  const today = dayOf(now, zone);
  const period = search.period ?? 'month';
  const date = search.date ?? today;
  const range = bucketOf(period, date);
  const query = useQuery(reportQuery(period, range.from));
  const set = (next: { period?: Interval; date?: Day }) =>
    void navigate({ search: (old) => ({ ...old, ...next }), replace: true, resetScroll: false });
  const name = periodName(period, range.from, range.to);
  const report = query.data;
  return (
    <div className={css.page}>
      <div className={css.bar}>
        <Segmented
          name="period"
          label={t('period.label')}
          value={period}
          onChange={(next) => set({ period: next === 'month' ? undefined : next })}
          options={[
            { value: 'day', label: t('period.day.one') },
            { value: 'week', label: t('period.week.one') },
            { value: 'month', label: t('period.month.one') },
          ]}
        />
        <div className={css.step}>
          <IconButton
            label={t('period.before')}
            onClick={() => set({ date: bucketOf(period, addDays(range.from, -1)).from })}
          >
            <ChevronLeft size={18} />
          </IconButton>
          <h2 aria-live="polite">{name}</h2>
          <IconButton
            label={t('period.after')}
            disabled={range.to >= today}
            onClick={() => set({ date: addDays(range.to, 1) })}
          >
            <ChevronRight size={18} />
          </IconButton>
          {range.to < today && (
            <Button kind="ghost" onClick={() => set({ date: undefined })}>
              {t('period.now')}
            </Button>
          )}
        </div>
        {query.error && report && <Stale at={query.dataUpdatedAt} onRetry={() => void query.refetch()} />}
        <span className={css.grow} />
        <Button onClick={() => print()} className={css.print ?? ''}>
          <Printer size={15} aria-hidden="true" />
          {t('print')}
        </Button>
        <Menu
          trigger={
            <Button>
              <Download size={15} aria-hidden="true" />
              {t('export')}
            </Button>
          }
          items={[
            ...(report
              ? [
                  {
                    label: t('export.report'),
                    icon: Sheet,
                    hint: 'CSV',
                    onSelect: () =>
                      save(new Blob([reportCsv(report, name)], { type: 'text/csv' }), `report-${range.from}.csv`),
                  },
                ]
              : []),
            {
              label: t('export.figures'),
              icon: FileSpreadsheet,
              hint: 'XLSX',
              onSelect: () =>
                void downloadFigures('xlsx', {
                  interval: 'day',
                  from: range.from,
                  to: range.to > today ? today : range.to,
                }),
            },
            'line',
            {
              label: t('export.monthOf', { month: day(range.from, { month: 'long' }) }),
              icon: FileText,
              hint: 'PDF',
              onSelect: () => void downloadMonth(range.from.slice(0, 7), 'pdf'),
            },
            {
              label: t('export.monthOf', { month: day(range.from, { month: 'long' }) }),
              icon: FileSpreadsheet,
              hint: 'XLSX',
              onSelect: () => void downloadMonth(range.from.slice(0, 7), 'xlsx'),
            },
          ]}
        />
      </div>
      <p className={css.printed}>
        {me.workspace.name} · {name} ·{' '}
        {t('report.printed', { when: instant(now, { dateStyle: 'long', timeStyle: 'short' }, zone) })}
      </p>
      {!report ? (
        query.error ? (
          <Failed error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <div className={css.figures}>
            {[0, 1, 2, 3, 4, 5].map((i) => (
              <Skeleton key={i} height={118} radius={20} />
            ))}
          </div>
        )
      ) : (
        <Body report={report} period={period} today={today} />
      )}
    </div>
  );
}

function Body({ report, period, today }: { report: Report; period: Interval; today: Day }) {
  const navigate = useNavigate();
  const { figures, previous } = report;
  const open = report.end >= today;
  // A day alone is no line: the fortnight up to it is.
  const range =
    period === 'day'
      ? { from: addDays(report.start, -13), to: report.start }
      : { from: report.start, to: report.end < today ? report.end : today };
  const createdRead = useQuery(createdQuery('day', range));
  const funnelRead = useQuery(funnelQuery({ from: report.start, to: report.end }));
  const created = createdRead.data ?? [];
  const funnel = funnelRead.data ?? [];
  const among = { createdFrom: report.start, createdTo: report.end };
  const before = t(`report.before.${period}`);
  const closed = figures.converted + figures.lost;
  const closedBefore = previous.converted + previous.lost;
  return (
    <>
      <dl className={css.figures}>
        {FIGURES.map(({ key, label, good }) => (
          <div key={key} className={css.figure}>
            <dt>{t(label)}</dt>
            <dd>
              <Figure of={key} value={figures[key]} filter={opens(key, report)} />
              <span>
                <Delta now={figures[key]} before={previous[key]} goodWhenUp={good} soFar={open} />
                <small>{t('report.was', { n: num(previous[key]), before })}</small>
              </span>
            </dd>
          </div>
        ))}
        <div className={css.figure}>
          <dt title={t('report.winRate.sub')}>{t('report.winRate')}</dt>
          <dd>
            <b className="display num">{closed ? share(figures.converted, closed) : '–'}</b>
            <span>
              <small>
                {t('report.was', { n: closedBefore ? share(previous.converted, closedBefore) : '–', before })} ·{' '}
                {t('report.rate', { p: percent(figures.rate, 1) })}
              </small>
            </span>
          </dd>
        </div>
      </dl>
      {open && <p className={css.soFar}>{t('report.soFar')}</p>}
      <div className={css.cards}>
        <ChartCard
          className={css.wide}
          title={t('chart.created')}
          sub={period === 'day' ? t('report.fortnight') : t('report.byDay')}
          standing={standingOf([createdRead])}
          table={{
            head: [t('period.day.one'), t('report.created')],
            rows: created.map((item) => [day(item.start, { day: 'numeric', month: 'short' }), item.count]),
          }}
        >
          <TimeSeries
            points={created.map((item) => ({
              label: day(item.start, { day: 'numeric', month: 'short' }),
              full: day(item.start, { weekday: 'short', day: 'numeric', month: 'short' }),
              value: item.count,
            }))}
            minHeight={230}
            label={t('chart.created')}
            names={[t('report.created'), '']}
            format={num}
            whole
            openEnd={range.to === today}
            openLabel={t('chart.soFar')}
            onPick={(i) => {
              const start = created[i]?.start;
              if (start) void navigate({ to: '/leads', search: { createdFrom: start, createdTo: start } });
            }}
          />
        </ChartCard>
        <ChartCard
          title={t('report.source')}
          sub={t('report.createdIn')}
          table={{
            head: [t('leads.source'), t('report.created'), t('status.Converted'), '%'],
            rows: report.bySource.items.map((item) => [
              t(`source.${item.source}`),
              item.count,
              item.converted,
              share(item.converted, item.count, 1),
            ]),
          }}
        >
          <Bars
            rows={report.bySource.items.map((item) => ({
              key: item.source,
              filter: { ...among, source: [item.source] },
              label: t(`source.${item.source}`),
              value: item.count,
              note: t('chart.won', { p: share(item.converted, item.count) }),
              color: 'var(--series)',
            }))}
          />
        </ChartCard>
        <ChartCard
          title={t('report.stage')}
          sub={t('report.createdIn')}
          table={{
            head: [t('leads.status'), t('nav.leads')],
            rows: report.byStatus.items.map((item) => [t(`status.${item.status}`), item.count]),
          }}
        >
          <Bars
            rows={report.byStatus.items.map((item) => ({
              key: item.status,
              filter: { ...among, status: [item.status] },
              label: t(`status.${item.status}`),
              value: item.count,
              note: '',
              color: stageColor(item.status),
              mark: <StageGlyph status={item.status} size={15} />,
            }))}
          />
        </ChartCard>
        <ChartCard
          title={t('chart.funnel')}
          sub={t('report.createdIn')}
          standing={standingOf([funnelRead])}
          table={funnelTable(funnel)}
        >
          <FunnelBars items={funnel} among={among} />
        </ChartCard>
      </div>
    </>
  );
}

/** The leads that a figure counts: won and lost are those that stand there still. */
function opens(key: Counted, { start, end }: Report): LeadFilter {
  const period = { enteredFrom: start, enteredTo: end };
  if (key === 'created') return { createdFrom: start, createdTo: end };
  if (key === 'contacted') return { entered: 'Contacted', ...period };
  if (key === 'qualified') return { entered: 'Qualified', ...period };
  return { status: [key === 'converted' ? 'Converted' : 'Lost'], ...period };
}

function Figure({ of, value, filter }: { of: Counted; value: number; filter: LeadFilter }) {
  const moved = of === 'contacted' || of === 'qualified';
  return (
    <Link
      to="/leads"
      search={filter}
      className="display num"
      title={moved ? t('report.moves') : undefined}
      data-leads={value}
    >
      {num(value)}
    </Link>
  );
}

interface Row {
  key: string;
  filter: LeadFilter;
  label: string;
  value: number;
  note: string;
  color: string;
  mark?: React.ReactNode;
}
function Bars({ rows }: { rows: Row[] }) {
  const most = Math.max(...rows.map((row) => row.value), 1);
  return (
    <ul className={css.bars}>
      {rows.map((row) => (
        <li key={row.key}>
          <span>
            {row.mark}
            {row.label}
          </span>
          <Link
            to="/leads"
            search={row.filter}
            className="num"
            aria-label={`${row.label}: ${t('leads.count', { n: row.value })}`}
            data-leads={row.value}
          >
            {num(row.value)}
          </Link>
          {row.note && <small className="num">{row.note}</small>}
          <i>
            <i style={{ width: `${(row.value / most) * 100}%`, background: row.color }} />
          </i>
        </li>
      ))}
    </ul>
  );
}

/** The report that is shown, as a table for a spreadsheet. */
function reportCsv(report: Report, name: string): string {
  const { figures, previous } = report;
  return csv([
    [name, t('report.this'), t('chart.before')],
    ...FIGURES.map(({ key, label }) => [t(label), figures[key], previous[key]]),
    [t('chart.conversion'), percent(figures.rate, 1), percent(previous.rate, 1)],
    [],
    [t('leads.status'), t('nav.leads')],
    ...report.byStatus.items.map((item) => [t(`status.${item.status}`), item.count]),
    [],
    [t('leads.source'), t('nav.leads'), t('status.Converted')],
    ...report.bySource.items.map((item) => [t(`source.${item.source}`), item.count, item.converted]),
  ]);
}
