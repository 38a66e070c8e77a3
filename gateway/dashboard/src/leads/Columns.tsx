import { Columns3 } from 'lucide-react';
import { IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { t } from '../words';
import { ABOUT, COLUMNS, toggleColumn, useShownColumns } from './columns';
import css from './leads.module.css';

/** Which columns the table has. */
export function Columns() {
  const shown = useShownColumns();
  return (
    <Menu
      trigger={
        <IconButton label={t('leads.columns')} className={css.wideOnly ?? ''}>
          <Columns3 size={17} />
        </IconButton>
      }
      items={COLUMNS.filter((column) => column !== 'name').map((column) => ({
        label: t(ABOUT[column].label),
        checked: shown[column],
        onSelect: () => toggleColumn(column),
      }))}
    />
  );
}
