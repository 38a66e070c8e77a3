import { ChartLine, Download, Ellipsis, Table2 } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { IconButton } from '../design/Button';
import { Card } from '../design/Card';
import { Menu } from '../design/Menu';
import { DataTable } from '../design/Small';
import { csv, save } from '../reports/download';
import { t } from '../words';
import css from './cards.module.css';

interface Props {
  title: string;
  sub?: ReactNode;
  big?: ReactNode;
  legend?: ReactNode;
  className?: string | undefined;
  table: { head: string[]; rows: (string | number)[][] };
  children: ReactNode;
}

/** Every chart can show itself as a table and hand over its numbers. */
export function ChartCard({ title, sub, big, legend, table, children, className }: Props) {
  const [asTable, setAsTable] = useState(false);
  const name = `${title.toLowerCase().replaceAll(/\s+/g, '-')}.csv`;
  return (
    <Card
      title={title}
      sub={sub}
      className={className}
      actions={
        <>
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
              {
                label: t('chart.csv'),
                icon: Download,
                onSelect: () => save(new Blob([csv([table.head, ...table.rows])], { type: 'text/csv' }), name),
              },
            ]}
          />
        </>
      }
    >
      {asTable ? <DataTable caption={title} head={table.head} rows={table.rows} /> : children}
    </Card>
  );
}
