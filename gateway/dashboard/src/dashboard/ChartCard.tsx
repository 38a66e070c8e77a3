import { ChartLine, Download, Ellipsis, Table2 } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { IconButton } from '../design/Button';
import { Card } from '../design/Card';
import { Menu } from '../design/Menu';
import { DataTable, Failed, Stale } from '../design/Small';
import { csv, save } from '../reports/download';
import { t } from '../words';
import css from './cards.module.css';
import type { Standing } from './figures';

interface Props {
  title: string;
  sub?: ReactNode;
  big?: ReactNode;
  legend?: ReactNode;
  className?: string | undefined;
  table: { head: string[]; rows: (string | number)[][] };
  /** How the figures stand to the title; without it they are the page's own. */
  standing?: Standing;
  children: ReactNode;
}

/** Every chart can show itself as a table and hand over its numbers. */
export function ChartCard({ title, sub, big, legend, table, standing, children, className }: Props) {
  const [asTable, setAsTable] = useState(false);
  const failed = standing?.error && standing.at === 0 ? standing : undefined;
  const waiting = standing?.waiting ?? false;
  const stale = standing && standing.error && !failed ? <Stale at={standing.at} onRetry={standing.retry} /> : null;
  const name = `${title.toLowerCase().replaceAll(/\s+/g, '-')}.csv`;
  return (
    <Card
      title={title}
      sub={
        standing?.capped ? (
          <>
            {sub} · {t('chart.capped')}
          </>
        ) : (
          sub
        )
      }
      className={className}
      actions={
        <>
          {stale}
          {big}
          {legend}
          <Menu
            trigger={
              <IconButton size="s" label={t('chart.menu', { name: title })} className={css.more ?? ''}>
                <Ellipsis size={17} />
              </IconButton>
            }
            items={[
              {
                label: asTable ? t('chart.asChart') : t('chart.asTable'),
                icon: asTable ? ChartLine : Table2,
                onSelect: () => setAsTable(!asTable),
              },
              // What is not of this choice is not handed over under its name.
              ...(failed || waiting
                ? []
                : [
                    {
                      label: t('chart.csv'),
                      icon: Download,
                      onSelect: () => save(new Blob([csv([table.head, ...table.rows])], { type: 'text/csv' }), name),
                    },
                  ]),
            ]}
          />
        </>
      }
    >
      {failed ? (
        <Failed error={failed.error} onRetry={failed.retry} />
      ) : (
        <div className={css.figures} aria-busy={waiting || undefined}>
          {asTable ? <DataTable caption={title} head={table.head} rows={table.rows} /> : children}
        </div>
      )}
    </Card>
  );
}
