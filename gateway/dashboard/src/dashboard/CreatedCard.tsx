import { type DashboardData, type Interval, SOURCES } from '../api/model';
import { TimeSeries } from '../charts/TimeSeries';
import { day, days, num } from '../time/format';
import type { Range } from '../time/range';
import { t } from '../words';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import { useCreated } from './figures';
import type { View } from './view';

const SHORT = { day: 'numeric', month: 'short' } as const;
const shortName = (step: Interval, range: Range) =>
  step === 'month' ? day(range.from, { month: 'short' }) : day(range.from, SHORT);
export function fullName(step: Interval, range: Range) {
  if (step === 'month') return day(range.from, { month: 'long', year: 'numeric' });
  if (step === 'week') return days(range.from, range.to, SHORT);
  return day(range.from, { weekday: 'short', ...SHORT });
}

export function CreatedCard({
  data,
  view,
  settling,
  className,
}: {
  data: DashboardData;
  view: View;
  settling: boolean;
  className?: string | undefined;
}) {
  const { items: buckets, standing } = useCreated(view, data, settling);
  const { step, set } = view;
  const compare = !view.search.alone;
  const open = buckets.at(-1)?.range.to === view.today;
  const points = buckets.map(({ range, value, before, bySource }) => ({
    label: shortName(step, range),
    full: fullName(step, range),
    value,
    prev: before,
    more:
      bySource && value && !view.search.source
        ? SOURCES.filter((source) => bySource[source])
            .map((source) => `${t(`source.${source}`)} ${num(bySource[source])}`)
            .join(' · ')
        : undefined,
  }));
  return (
    <ChartCard
      className={className}
      title={t('chart.created')}
      standing={standing}
      sub={
        <>
          <span className={css.fine}>{t('chart.created.sub')}</span>
          <span className={css.coarse}>{t('chart.created.touch')}</span>
        </>
      }
      legend={
        <div className={css.legend}>
          <span>
            <i style={{ background: 'var(--series)' }} />
            {t('chart.this')}
          </span>
          <button
            type="button"
            aria-pressed={compare}
            title={t('chart.before.toggle')}
            onClick={() => set({ alone: compare ? true : undefined })}
          >
            <i data-dash="" />
            {t('chart.before')}
          </button>
        </div>
      }
      table={{
        head: [t(`period.${step}.one`), t('chart.this'), ...(compare ? [t('chart.before')] : [])],
        rows: points.map((point) => [point.full, point.value, ...(compare ? [point.prev ?? 0] : [])]),
      }}
    >
      <TimeSeries
        points={points}
        minHeight={278}
        label={t('chart.created.label', { window: fullWindow(view) })}
        names={[t('chart.this'), t('chart.before')]}
        format={num}
        whole
        openEnd={open}
        openLabel={t('chart.soFar')}
        onPick={(i) => {
          const range = buckets[i]?.range;
          if (range) view.open({ ...view.filter, createdFrom: range.from, createdTo: range.to });
        }}
        onRange={(a, b) => set({ from: buckets[a]?.range.from, to: buckets[b]?.range.to })}
      />
    </ChartCard>
  );
}
const fullWindow = (view: View) =>
  days(view.window.from, view.window.to, { day: 'numeric', month: 'long', year: 'numeric' });
