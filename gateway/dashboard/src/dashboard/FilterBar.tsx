import { useQuery } from '@tanstack/react-query';
import { ArrowRight, CalendarRange, Download, FileSpreadsheet, FileText, Sheet } from 'lucide-react';
import type { ReactNode } from 'react';
import type { Interval } from '../api/model';
import { Button } from '../design/Button';
import { Menu } from '../design/Menu';
import { Chip, Segmented } from '../design/Small';
import { StageGlyph } from '../design/StageGlyph';
import { countQuery } from '../leads/queries';
import { toQuery } from '../leads/filter';
import { downloadFigures, downloadLeads, downloadMonth } from '../reports/download';
import { days } from '../time/format';
import { t } from '../words';
import css from './dashboard.module.css';
import type { View } from './view';

const INTERVALS: Interval[] = ['day', 'week', 'month'];

export function FilterBar({ view, stale }: { view: View; stale: ReactNode }) {
  const { search, set, zoom, filter, filtered } = view;
  const counted = useQuery({ ...countQuery(filter, view.zone), enabled: filtered });
  // Never the number of an earlier choice.
  const count = counted.isPlaceholderData ? undefined : counted.data;
  const range = zoom ? days(zoom.from, zoom.to, { day: 'numeric', month: 'short' }) : '';
  return (
    <div className={css.bar}>
      <Segmented
        name="interval"
        label={t('period.label')}
        value={view.interval}
        onChange={(interval) =>
          set({ interval: interval === 'day' ? undefined : interval, from: undefined, to: undefined })
        }
        options={INTERVALS.map((interval) => ({ value: interval, label: t(`period.${interval}`) }))}
      />
      <span className={css.window}>{t(`period.${view.interval}.window`)}</span>
      {stale}
      {filtered && (
        <div className={css.chips}>
          {search.status && (
            <Chip name={t(`status.${search.status}`)} onRemove={() => set({ status: undefined })}>
              <StageGlyph status={search.status} size={14} />
              {t(`status.${search.status}`)}
            </Chip>
          )}
          {search.source && (
            <Chip name={t(`source.${search.source}`)} onRemove={() => set({ source: undefined })}>
              {t(`source.${search.source}`)}
            </Chip>
          )}
          {zoom && (
            <Chip name={range} onRemove={() => set({ from: undefined, to: undefined })}>
              <CalendarRange size={14} aria-hidden="true" />
              {range}
            </Chip>
          )}
          {count && (
            <Button kind="ghost" onClick={() => view.open(filter)} data-leads={count.value}>
              {t('filter.open', { n: count.value })}
              <ArrowRight size={15} aria-hidden="true" />
            </Button>
          )}
        </div>
      )}
      <span className={css.grow} />
      <Menu
        trigger={
          <Button aria-label={t('export')}>
            <Download size={15} aria-hidden="true" />
            <span className={css.exportLabel}>{t('export')}</span>
          </Button>
        }
        items={[
          {
            label: filtered ? t('export.leadsShown') : t('export.leadsCsv'),
            icon: Sheet,
            hint: 'CSV',
            onSelect: () => void downloadLeads('csv', toQuery(filter, view.zone)),
          },
          {
            label: filtered ? t('export.leadsShown') : t('export.leadsCsv'),
            icon: FileSpreadsheet,
            hint: 'XLSX',
            onSelect: () => void downloadLeads('xlsx', toQuery(filter, view.zone)),
          },
          'line',
          {
            label: t('export.figures'),
            icon: FileSpreadsheet,
            hint: 'XLSX',
            onSelect: () => void downloadFigures('xlsx', { interval: view.step, ...zoom }),
          },
          {
            label: t('export.month'),
            icon: FileText,
            hint: 'PDF',
            onSelect: () => void downloadMonth(view.today.slice(0, 7), 'pdf'),
          },
        ]}
      />
    </div>
  );
}
