import { Link } from '@tanstack/react-router';
import { type DashboardData, REACHABLE, type Status } from '../api/model';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import type { LeadFilter } from '../leads/filter';
import { duration, num, percent } from '../time/format';
import { t } from '../words';
import { ChartCard } from './ChartCard';
import { useFunnel } from './figures';
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
  const { items, standing } = useFunnel(view, data);
  return (
    <ChartCard
      className={className}
      title={t('chart.funnel')}
      sub={`${t('chart.funnel.sub')} · ${scopeName(view, 'both')}`}
      standing={standing}
      table={funnelTable(items)}
    >
      <FunnelBars items={items} among={view.filter} />
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
  /** Which leads they are. */
  among: LeadFilter;
}
/** How many leads ever reached each stage; each opens just those. */
export function FunnelBars({ items, among }: Bars) {
  const most = Math.max(items[0]?.reached ?? 0, 1);
  return (
    <ol className={css.funnel}>
      {items.map((item, i) => (
        <li key={item.status}>
          <Link
            to="/leads"
            search={{ ...among, reached: reachable(item.status) }}
            className={css.head}
            data-leads={item.reached}
          >
            <StageGlyph status={item.status} size={15} />
            <span>{t(`status.${item.status}`)}</span>
            <b className="num">{num(item.reached)}</b>
            <small className="num">{percent(item.rate)}</small>
          </Link>
          <div className={css.track}>
            {item.reached > 0 && (
              <span
                style={{ width: `max(2px, ${(item.reached / most) * 100}%)`, background: stageColor(item.status) }}
              />
            )}
          </div>
          {i > 0 && item.stepRate !== null && (
            <p className="num">
              {t('funnel.step', { p: percent(item.stepRate) })}
              {item.medianHours !== null && ` · ${t('funnel.after', { time: duration(item.medianHours) })}`}
            </p>
          )}
        </li>
      ))}
    </ol>
  );
}

const reachable = (status: Status) => REACHABLE.filter((one) => one === status);
