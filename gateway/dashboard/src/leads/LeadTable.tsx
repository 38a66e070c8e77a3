import { columnVisibilityFeature, createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useNavigate } from '@tanstack/react-router';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { useEffect, useEffectEvent, useRef } from 'react';
import type { LeadRow } from '../api/model';
import { Checkbox, Skeleton } from '../design/Small';
import { useCanWrite } from '../shell/me';
import { isPageKey, underDialog } from '../shell/shortcuts';
import { t } from '../words';
import { Cell } from './Cell';
import { ABOUT, COLUMNS, type Column, useShownColumns } from './columns';
import { type Cursor, placeOf, stepped } from './cursor';
import { nextSort } from './filter';
import { Fresh } from './Fresh';
import { useHeld } from './held';
import css from './leads.module.css';
import type { Selection } from './selection';
import { useFilter } from './useFilter';

const ROW_PX = 54;
// So many rows before the end of those that are loaded, more are asked for: a second of the fastest scrolling.
const AHEAD = 250;
const features = tableFeatures({ columnVisibilityFeature });
const helper = createColumnHelper<typeof features, LeadRow>();
// Only the columns are asked of the table: a model of 100,000 rows would be built anew with each page of them.
const NO_ROWS: LeadRow[] = [];
const columns = helper.columns(COLUMNS.map((id) => helper.display({ id })));

interface Props {
  rows: LeadRow[];
  selection: Selection;
  more: () => void;
  loading: boolean;
  /** The lead that the keyboard is on, and where it stood. */
  cursor: Cursor | null;
  setCursor: (cursor: Cursor) => void;
  placeholder: boolean;
}

export function LeadTable({ rows: all, selection, more, loading, cursor, setCursor, placeholder }: Props) {
  const canWrite = useCanWrite();
  const { filter, set } = useFilter();
  const frame = useRef<HTMLDivElement>(null);
  const { rows, fresh, release, bind } = useHeld(frame, JSON.stringify([filter, placeholder]), all);
  const shown = useShownColumns();
  const table = useTable({
    features,
    columns,
    data: NO_ROWS,
    state: { columnVisibility: shown },
  });
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - AHEAD) more();
  });
  const at = placeOf(cursor, rows);
  useKeys({ rows, selection, cursor, at, setCursor, show: (index) => virtual.scrollToIndex(index), canWrite });

  const visible = table.getVisibleLeafColumns().map((column) => column.id as Column);
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = visible.reduce((sum, column) => sum + ABOUT[column].width, 0) + 60;
  const every = rows.length > 0 && rows.every((row) => selection.has(row.id));
  const order = rows.map((row) => row.id);
  return (
    <div ref={frame} className={css.frame} {...bind}>
      <div
        ref={scroller}
        className={css.wrap}
        tabIndex={0}
        role="region"
        aria-label={t('nav.leads')}
        aria-busy={placeholder || undefined}
      >
        <table className={css.table} style={{ minWidth: width }} aria-rowcount={rows.length + 1}>
          <colgroup>
            {canWrite && <col style={{ width: 50 }} />}
            {visible.map((column) => (
              <col key={column} style={{ width: ABOUT[column].width }} />
            ))}
          </colgroup>
          <thead>
            <tr aria-rowindex={1}>
              {canWrite && (
                <th className={css.check}>
                  <Checkbox
                    label={t('leads.selectLoaded')}
                    checked={every}
                    indeterminate={!every && selection.ids.size > 0}
                    onChange={() => (every ? selection.clear() : selection.set(rows.map((row) => row.id)))}
                  />
                </th>
              )}
              {visible.map((column) => {
                const { label, sort } = ABOUT[column];
                const current = filter.sort ?? '-createdAt';
                const active = sort !== undefined && current.replace('-', '') === sort;
                const down = current.startsWith('-');
                return (
                  <th key={column} scope="col" aria-sort={active ? (down ? 'descending' : 'ascending') : undefined}>
                    {sort ? (
                      <button type="button" onClick={() => set({ sort: nextSort(filter.sort, sort) })}>
                        {t(label)}
                        {active &&
                          (down ? (
                            <ArrowDown size={13} aria-hidden="true" />
                          ) : (
                            <ArrowUp size={13} aria-hidden="true" />
                          ))}
                      </button>
                    ) : (
                      t(label)
                    )}
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {above > 0 && (
              <tr aria-hidden="true" className={css.gap}>
                <td colSpan={visible.length + 1} style={{ height: above }} />
              </tr>
            )}
            {items.map(({ index }) => {
              const row = rows[index];
              if (!row) return null;
              return (
                <tr
                  key={row.id}
                  aria-rowindex={index + 2}
                  data-index={index}
                  data-picked={selection.has(row.id) || undefined}
                  data-cursor={at === index || undefined}
                >
                  {canWrite && (
                    <td className={css.check}>
                      <Checkbox
                        label={t('leads.select', { name: row.name })}
                        checked={selection.has(row.id)}
                        onClick={(event) => {
                          if (!event.shiftKey) return;
                          event.preventDefault();
                          selection.extend(row.id, order);
                        }}
                        onChange={() => selection.toggle(row.id)}
                      />
                    </td>
                  )}
                  {visible.map((column) => (
                    <Cell
                      key={column}
                      column={column}
                      row={row}
                      canWrite={canWrite && !filter.trashed}
                      trashed={filter.trashed ?? false}
                    />
                  ))}
                </tr>
              );
            })}
            {below > 0 && (
              <tr aria-hidden="true" className={css.gap}>
                <td colSpan={visible.length + 1} style={{ height: below }} />
              </tr>
            )}
            {loading && (
              <tr className={css.gap}>
                <td colSpan={visible.length + 1}>
                  <Skeleton height={36} />
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
      <Fresh
        n={fresh}
        onShow={() => {
          release();
          virtual.scrollToIndex(0);
          scroller.current?.focus({ preventScroll: true });
        }}
      />
    </div>
  );
}

interface Keys {
  rows: LeadRow[];
  selection: Selection;
  cursor: Cursor | null;
  /** Where the cursor's lead stands now; -1: nowhere. */
  at: number;
  setCursor: (cursor: Cursor) => void;
  show: (index: number) => void;
  canWrite: boolean;
}
/** J and K move, X selects, Enter opens, S and A open the menus of the row or of what is selected. */
function useKeys({ rows, selection, cursor, at, setCursor, show, canWrite }: Keys) {
  const navigate = useNavigate();
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (!isPageKey(event) || underDialog()) return;
    const key = event.key.toLowerCase();
    const row = rows[at];
    if (key === 'j' || key === 'k') {
      const next = stepped(cursor, rows, key === 'j' ? 1 : -1);
      const id = rows[next]?.id;
      if (id === undefined) return;
      setCursor({ id, at: next });
      show(next);
    } else if (key === 'x' && row && canWrite) selection.toggle(row.id);
    else if (key === 'enter' && row && !(event.target instanceof HTMLElement && event.target.closest('button,a'))) {
      void navigate({ to: '.', search: (old) => ({ ...old, lead: row.id }), resetScroll: false });
    } else if ((key === 's' || key === 'a') && canWrite) {
      const act = key === 's' ? 'stage' : 'assign';
      const place = rows.some((one) => selection.has(one.id)) ? '[role=toolbar]' : `tr[data-index="${at}"]`;
      const button = document.querySelector<HTMLButtonElement>(`${place} [data-act=${act}]`);
      button?.focus();
      button?.click();
    } else if (key === 'escape' && selection.ids.size) selection.clear();
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}
