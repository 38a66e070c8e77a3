import { Link } from '@tanstack/react-router';
import { ArrowDownUp, Bookmark, BookmarkPlus, Download, FileSpreadsheet, Sheet, Trash2, Upload } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import type { LeadPage } from '../api/model';
import { Button, buttonClass, IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { SearchBox } from '../design/SearchBox';
import { downloadLeads } from '../reports/download';
import { useCanWrite, useMe } from '../shell/me';
import { num } from '../time/format';
import { offer } from '../undo/change';
import { type Key, t } from '../words';
import { Columns } from './Columns';
import { Filters } from './Filters';
import { conditions, type Sort, toQuery } from './filter';
import css from './leads.module.css';
import { SaveView } from './SaveView';
import { useFilter } from './useFilter';
import { dropView, GIVEN, useViews } from './views';

export function Toolbar({ total, stale }: { total: LeadPage['total'] | undefined; stale: ReactNode }) {
  const { filter, set } = useFilter();
  const me = useMe();
  const canWrite = useCanWrite();
  const count =
    total &&
    (total.relation === 'gte' ? t('leads.atLeast', { n: num(total.value) }) : t('leads.count', { n: total.value }));
  return (
    <div className={css.bar}>
      <SearchBox value={filter.q ?? ''} onChange={(q) => set({ q: q || undefined })} />
      <Filters />
      <span className={css.count} role="status">
        {count}
      </span>
      {stale}
      <Views />
      <Columns />
      <Order />
      {canWrite && (
        <Link to="/import" className={buttonClass(css.wideOnly)} data-kind="plain">
          <Upload size={15} aria-hidden="true" />
          {t('nav.import')}
        </Link>
      )}
      <Menu
        trigger={
          <Button aria-label={t('export')}>
            <Download size={15} aria-hidden="true" />
            <span className={css.wideOnly}>{t('export')}</span>
          </Button>
        }
        items={[
          {
            label: t('export.as', { format: 'CSV' }),
            icon: Sheet,
            onSelect: () => void downloadLeads('csv', toQuery(filter, me.workspace.timezone)),
          },
          {
            label: t('export.as', { format: 'Excel' }),
            icon: FileSpreadsheet,
            onSelect: () => void downloadLeads('xlsx', toQuery(filter, me.workspace.timezone)),
          },
        ]}
      />
    </div>
  );
}

const ORDERS: [sort: Sort | undefined, label: Key][] = [
  [undefined, 'sort.newest'],
  ['createdAt', 'sort.oldest'],
  ['-updatedAt', 'sort.changed'],
  ['name', 'sort.name'],
  ['company', 'sort.company'],
  ['status', 'sort.status'],
];

/** The list's order, where it has no heads to click: on a phone. */
function Order() {
  const { filter, set } = useFilter();
  return (
    <Menu
      trigger={
        <IconButton label={t('leads.sort')} className={css.narrowOnly ?? ''}>
          <ArrowDownUp size={17} />
        </IconButton>
      }
      items={ORDERS.map(([sort, label]) => ({
        label: t(label),
        hint: filter.sort === sort ? '✓' : undefined,
        onSelect: () => set({ sort }),
      }))}
    />
  );
}

function Views() {
  const { filter, replace } = useFilter();
  const workspace = useMe().workspace.id;
  const saved = useViews(workspace);
  const [naming, setNaming] = useState(false);
  const here = JSON.stringify(filter);
  const own = saved.find((view) => JSON.stringify(view.filter) === here);
  return (
    <>
      <Menu
        trigger={
          <Button aria-label={t('view.title')}>
            <Bookmark size={15} aria-hidden="true" />
            <span className={css.wideOnly}>{own?.name ?? t('view.title')}</span>
          </Button>
        }
        items={[
          ...GIVEN.map((view) => ({
            label: t(view.name),
            hint: JSON.stringify(view.filter) === here ? '✓' : undefined,
            onSelect: () => replace(view.filter),
          })),
          ...(saved.length ? [{ heading: t('view.own') }] : []),
          ...saved.map((view) => ({
            label: view.name,
            icon: Bookmark,
            hint: view === own ? '✓' : undefined,
            onSelect: () => replace(view.filter),
          })),
          'line' as const,
          {
            label: t('view.save'),
            icon: BookmarkPlus,
            disabled: conditions(filter).length === 0 && !filter.q && !filter.sort,
            onSelect: () => setNaming(true),
          },
          ...(own
            ? [
                {
                  label: t('view.drop', { name: own.name }),
                  icon: Trash2,
                  tone: 'bad' as const,
                  onSelect: () => {
                    const back = dropView(workspace, own.name);
                    offer(t('view.dropped', { name: own.name }), async () => back());
                  },
                },
              ]
            : []),
        ]}
      />
      {naming && <SaveView filter={filter} workspace={workspace} onClose={() => setNaming(false)} />}
    </>
  );
}
