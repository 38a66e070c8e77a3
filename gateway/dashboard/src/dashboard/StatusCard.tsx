import { useState } from 'react';
import type { DashboardData, Status } from '../api/model';
import { Donut } from '../charts/Donut';
import { stageColor, StageGlyph } from '../design/StageGlyph';
import { num, share } from '../time/format';
import { t } from '../words';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import { useByStatus } from './figures';
import { scopeName } from './scope';
import type { View } from './view';

export function StatusCard({
  data,
  view,
  className,
}: {
  data: DashboardData;
  view: View;
  className?: string | undefined;
}) {
  const { items, standing } = useByStatus(view, data);
  const [hover, setHover] = useState<Status | null>(null);
  const chosen = view.search.status;
  const total = items.reduce((sum, item) => sum + item.count, 0);
  const slices = items.map((item) => ({
    key: item.status,
    label: t(`status.${item.status}`),
    value: item.count,
    color: stageColor(item.status),
  }));
  const pick = (status: Status) => view.set({ status: chosen === status ? undefined : status });
  return (
    <ChartCard
      className={className}
      title={t('chart.status')}
      sub={scopeName(view, 'source')}
      standing={standing}
      table={{
        head: [t('leads.status'), t('nav.leads'), '%'],
        rows: slices.map((slice) => [slice.label, slice.value, share(slice.value, total, 1)]),
      }}
    >
      <div className={css.donutRow}>
        <Donut
          size={180}
          slices={slices}
          selected={chosen}
          hover={hover}
          onHover={setHover}
          onSelect={pick}
          center={(slice, sum) =>
            slice
              ? { big: num(slice.value), small: `${slice.label}, ${share(slice.value, sum)}` }
              : { big: num(sum), small: t('leads.unit', { n: sum }) }
          }
        />
        <ul className={css.keys}>
          {slices.map((slice) => (
            <li key={slice.key}>
              <button
                type="button"
                aria-pressed={chosen === slice.key}
                onClick={() => pick(slice.key)}
                onPointerEnter={() => setHover(slice.key)}
                onPointerLeave={() => setHover(null)}
                onFocus={() => setHover(slice.key)}
                onBlur={() => setHover(null)}
              >
                <StageGlyph status={slice.key} />
                <span>{slice.label}</span>
                <b className="num">{num(slice.value)}</b>
                <small className="num">{share(slice.value, total)}</small>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </ChartCard>
  );
}
