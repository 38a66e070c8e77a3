import type { DashboardData, Source } from '../api/model';
import { num, share } from '../time/format';
import { t } from '../words';
import css from './cards.module.css';
import { ChartCard } from './ChartCard';
import { useBySource } from './figures';
import { scopeName } from './scope';
import type { View } from './view';

export function SourceCard({
  data,
  view,
  className,
}: {
  data: DashboardData;
  view: View;
  className?: string | undefined;
}) {
  const { items, standing } = useBySource(view, data);
  const chosen = view.search.source;
  const most = Math.max(...items.map((item) => item.count), 1);
  const pick = (source: Source) => view.set({ source: chosen === source ? undefined : source });
  return (
    <ChartCard
      className={className}
      title={t('chart.source')}
      standing={standing}
      sub={view.search.status ? scopeName(view, 'status') : t('chart.source.sub')}
      table={{
        head: [t('leads.source'), t('nav.leads'), t('status.Converted'), '%'],
        rows: items.map((item) => [
          t(`source.${item.source}`),
          item.count,
          item.converted ?? '',
          item.converted === null ? '' : share(item.converted, item.count, 1),
        ]),
      }}
    >
      <ul className={css.bars}>
        {items.map((item) => (
          <li key={item.source}>
            <button
              type="button"
              aria-pressed={chosen === item.source}
              data-dim={(chosen && chosen !== item.source) || undefined}
              onClick={() => pick(item.source)}
            >
              <span className={css.barLabel}>{t(`source.${item.source}`)}</span>
              <b className="num">{num(item.count)}</b>
              <small className="num">
                {item.converted === null ? '' : t('chart.won', { p: share(item.converted, item.count) })}
              </small>
              <span className={css.track}>
                <span style={{ width: `${(item.count / most) * 100}%` }}>
                  <span
                    style={{ width: `${item.converted && item.count ? (item.converted / item.count) * 100 : 0}%` }}
                  />
                </span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </ChartCard>
  );
}
