import { Link } from '@tanstack/react-router';
import type { DashboardData, Status } from '../api/model';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import type { LeadFilter } from '../leads/filter';
import { duration, num, percent } from '../time/format';
import { t } from '../words';
import { ChartCard } from './ChartCard';
import { useByStatus, useFunnel } from './figures';
import css from './funnel.module.css';
import { scopeName } from './scope';
import type { View } from './view';

type Step = DashboardData['funnel']['items'][number];

export function FunnelCard({
  data,
  view,
  className,
}: {
  data: DashboardData;
  view: View;
  className?: string | undefined;
}) {
  const items = useFunnel(view, data);
  // The funnel is not filtered by a source: neither is what it opens.
  const now = useByStatus({ ...view, search: { ...view.search, source: undefined } }, data);
  return (
    <ChartCard
      className={className}
      title={t('chart.funnel')}
      sub={`${t('chart.funnel.sub')} · ${scopeName(view)}`}
      table={funnelTable(items)}
    >
      <FunnelBars
        items={items}
        now={now}
        among={view.zoom ? { createdFrom: view.zoom.from, createdTo: view.zoom.to } : {}}
      />
    </ChartCard>
  );
}

export const funnelTable = (items: Step[]) => ({
  head: [t('leads.status'), t('funnel.reached'), t('funnel.ofAll'), t('funnel.ofBefore'), t('funnel.median')],
  rows: items.map((item) => [
    t(`status.${item.status}`),
    item.reached,
    percent(item.rate, 1),
    percent(item.stepRate, 1),
    item.medianHours === null ? '–' : duration(item.medianHours),
  ]),
});

interface Bars {
  items: Step[];
  /** Where the same leads stand now. */
  now: { status: Status; count: number }[];
  /** Which leads they are. */
  among: LeadFilter;
}
/**
 * How many leads ever reached each stage. A list can be asked for where leads stand, not for where they have been: each
 * step opens those that still stand there or further on, with their own count.
 */
export function FunnelBars({ items, now, among }: Bars) {
  const order = items.map((item) => item.status);
  const most = Math.max(items[0]?.reached ?? 0, 1);
  return (
    <ol className={css.funnel}>
      {items.map((item, i) => (
        <li key={item.status}>
          <div className={css.head}>
            <StageGlyph status={item.status} size={15} />
            <span>{t(`status.${item.status}`)}</span>
            <b className="num">{num(item.reached)}</b>
            <small className="num">{percent(item.rate)}</small>
          </div>
          <div className={css.track}>
            <span style={{ width: `${(item.reached / most) * 100}%`, background: stageColor(item.status) }} />
          </div>
          <p className="num">
            {i > 0 && (
              <span>
                {t('funnel.step', { p: percent(item.stepRate) })}
                {item.medianHours !== null && ` · ${t('funnel.after', { time: duration(item.medianHours) })}`}
              </span>
            )}
            <Still status={order.slice(i)} now={now} among={among} />
          </p>
        </li>
      ))}
    </ol>
  );
}

function Still({ status, now, among }: { status: Status[]; now: Bars['now']; among: LeadFilter }) {
  const n = now.reduce((sum, item) => (status.includes(item.status) ? sum + item.count : sum), 0);
  return (
    <Link to="/leads" search={{ ...among, status }} data-leads={n} title={t('funnel.still.full', { n })}>
      {t('funnel.still', { n })}
    </Link>
  );
}
