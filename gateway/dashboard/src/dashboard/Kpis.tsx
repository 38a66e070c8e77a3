import { useQueries } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { DashboardData, Figures } from '../api/model';
import { useTween } from '../charts/motion';
import { Spark } from '../charts/Spark';
import { Delta } from '../design/Small';
import type { LeadFilter } from '../leads/filter';
import { num } from '../time/format';
import { addMonths, firstOf, mondayOf } from '../time/zone';
import { t } from '../words';
import css from './dashboard.module.css';
import { createdIn, everySecond, runningTotal } from './figures';
import { historyQuery } from './queries';
import type { View } from './view';

/** The last eight weeks' or six months' figures, read once the page has settled: they only draw the small bars. */
function useHistory(period: 'week' | 'month', dates: string[], of: (figures: Figures) => number): number[] | undefined {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIdle(true), 600);
    return () => clearTimeout(timer);
  }, []);
  const answers = useQueries({
    queries: dates.map((date) => ({ ...historyQuery(period, date), enabled: idle })),
  });
  if (!answers.every((answer) => answer.data)) return undefined;
  return answers.flatMap(({ data }) => (data ? [of(data.previous), of(data.figures)] : []));
}

export function Kpis({ data, view }: { data: DashboardData; view: View }) {
  const { summary, created } = data;
  const { today } = view;
  const added = createdIn(created.items);
  const weeks = useHistory('week', everySecond(today, 7, 4), (figures) => figures.converted);
  const months = useHistory(
    'month',
    [-4, -2, 0].map((shift) => (shift === 0 ? today : addMonths(today, shift))),
    (figures) => figures.lost,
  );
  return (
    <ul className={css.kpis}>
      <Kpi
        label={t('kpi.total')}
        value={summary.totalLeads}
        before={Math.max(0, summary.totalLeads - added)}
        sub={t(`kpi.total.${view.interval}`, { n: added })}
        spark={runningTotal(summary.totalLeads, created.items)}
        kind="area"
        color="var(--series)"
        filter={{}}
        all={view.filtered}
      />
      <Kpi
        label={t('kpi.today')}
        value={summary.newToday}
        before={summary.previous.newToday}
        sub={t('kpi.today.sub', { n: summary.previous.newToday })}
        spark={view.interval === 'day' ? created.items.slice(-10).map((item) => item.count) : undefined}
        kind="bars"
        color="var(--stage-new)"
        filter={{ createdFrom: today, createdTo: today }}
        all={view.filtered}
      />
      <Kpi
        label={t('kpi.converted')}
        value={summary.convertedThisWeek}
        before={summary.previous.convertedThisWeek}
        sub={t('kpi.converted.sub', { n: summary.previous.convertedThisWeek })}
        spark={weeks}
        kind="bars"
        color="var(--stage-converted)"
        filter={{ status: ['Converted'], enteredFrom: mondayOf(today) }}
        all={view.filtered}
      />
      <Kpi
        label={t('kpi.lost')}
        value={summary.lostThisMonth}
        before={summary.previous.lostThisMonth}
        sub={t('kpi.lost.sub', { n: summary.previous.lostThisMonth })}
        spark={months}
        kind="bars"
        color="var(--stage-lost)"
        filter={{ status: ['Lost'], enteredFrom: firstOf(today) }}
        all={view.filtered}
        goodWhenUp={false}
      />
    </ul>
  );
}

interface Props {
  label: string;
  value: number;
  before: number;
  sub: string;
  spark: number[] | undefined;
  kind: 'area' | 'bars';
  color: string;
  filter: LeadFilter;
  /** Says that it counts all leads, where the page shows only some. */
  all: boolean;
  goodWhenUp?: boolean;
}
function Kpi({ label, value, before, sub, spark, kind, color, filter, all, goodWhenUp }: Props) {
  const [shown = value] = useTween([value], 700);
  return (
    <li>
      <Link to="/leads" search={filter} className={css.kpi} data-leads={value}>
        <span className={css.kpiLabel}>
          {label}
          {all && <small> · {t('scope.all')}</small>}
        </span>
        <span className={css.kpiRow}>
          <b className="display num">{num(Math.round(shown))}</b>
          {spark ? (
            <Spark data={spark} kind={kind} color={color} />
          ) : (
            <svg width="104" height="40" aria-hidden="true" />
          )}
        </span>
        <span className={css.kpiSub}>
          <Delta now={value} before={before} goodWhenUp={goodWhenUp ?? true} />
          <span>{sub}</span>
        </span>
      </Link>
    </li>
  );
}
