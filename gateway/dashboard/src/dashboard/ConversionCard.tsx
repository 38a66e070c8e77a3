import { useNavigate } from '@tanstack/react-router';
import type { DashboardData } from '../api/model';
import { TimeSeries } from '../charts/TimeSeries';
import { day, num, percent } from '../time/format';
import { bucketOf } from '../time/range';
import { t } from '../words';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import type { View } from './view';

export function ConversionCard({
  data,
  view,
  className,
}: {
  data: DashboardData;
  view: View;
  className?: string | undefined;
}) {
  const navigate = useNavigate();
  const { items } = data.conversion;
  // Months before the first lead have no rate; they are left out rather than drawn as nought.
  const first = items.findIndex((item) => item.rate !== null);
  const months = first < 0 ? [] : items.slice(first);
  const last = items.at(-1);
  return (
    <ChartCard
      className={className}
      title={t('chart.conversion')}
      // Months know neither the days that were zoomed into nor, for a rate, a source or a stage.
      sub={view.filtered ? `${t('chart.conversion.sub')} · ${t('scope.all')}` : t('chart.conversion.sub')}
      big={<b className={`display num ${css.bigRate}`}>{percent(last?.rate ?? null, 1)}</b>}
      table={{
        head: [
          t('period.month.one'),
          t('report.created'),
          t('report.converted'),
          t('chart.conversion'),
          t('chart.cohort'),
        ],
        rows: items.map((item) => [
          day(`${item.month}-01`, { month: 'long', year: 'numeric' }),
          item.created,
          item.converted,
          percent(item.rate, 1),
          percent(item.cohortRate, 1),
        ]),
      }}
    >
      <TimeSeries
        points={months.map((item) => ({
          label: day(`${item.month}-01`, { month: 'short' }),
          full: day(`${item.month}-01`, { month: 'long', year: 'numeric' }),
          value: item.rate ?? 0,
          more: t('chart.conversion.of', { converted: num(item.converted), created: num(item.created) }),
        }))}
        minHeight={218}
        yTicks={3}
        label={t('chart.conversion.label')}
        names={[t('chart.conversion'), '']}
        format={(value) => percent(value, value < 10 && value % 1 ? 1 : 0)}
        tone="converted"
        openEnd={months.length > 1}
        openLabel={t('chart.soFar')}
        onPick={(i) => {
          const month = months[i]?.month;
          if (!month) return;
          const range = bucketOf('month', `${month}-01`);
          void navigate({
            to: '/leads',
            search: { status: ['Converted'], enteredFrom: range.from, enteredTo: range.to },
          });
        }}
      />
    </ChartCard>
  );
}
