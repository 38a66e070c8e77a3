import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import { Undo2 } from 'lucide-react';
import { useEffect, useRef } from 'react';
import type { LeadRow } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button } from '../design/Button';
import { Checkbox } from '../design/Small';
import { StageGlyph } from '../design/StageGlyph';
import { useCanWrite } from '../shell/me';
import { quietly } from '../undo/change';
import { t } from '../words';
import { restoreLead } from './changes';
import { Fresh } from './Fresh';
import { useHeld } from './held';
import css from './narrow.module.css';
import { NextStep } from './NextStep';
import type { Selection } from './selection';
import { useFilter } from './useFilter';

const ROW_PX = 72;
const AHEAD = 150;

interface Props {
  rows: LeadRow[];
  selection: Selection;
  more: () => void;
  placeholder: boolean;
}

/** On a phone: name, stage and next step of each lead. */
export function NarrowList({ rows: all, selection, more, placeholder }: Props) {
  const { filter } = useFilter();
  const { trashed } = filter;
  const canWrite = useCanWrite();
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const { rows, fresh, release, bind } = useHeld(frame, JSON.stringify([filter, placeholder]), all);
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_PX,
    overscan: 8,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - AHEAD) more();
  });
  return (
    <div ref={frame} className={css.frame} {...bind}>
      <Fresh
        sticky
        n={fresh}
        onShow={() => {
          release();
          frame.current?.scrollIntoView({ block: 'start' });
        }}
      />
      <ul ref={list} className={css.list} style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start }) => {
          const row = rows[index];
          if (!row) return null;
          return (
            <li
              key={row.id}
              className={css.row}
              style={{ height: ROW_PX, translate: `0 ${start - virtual.options.scrollMargin}px` }}
              data-picked={selection.has(row.id) || undefined}
            >
              {canWrite && !trashed && (
                <label className={css.pick}>
                  <Checkbox
                    label={t('leads.select', { name: row.name })}
                    checked={selection.has(row.id)}
                    onChange={() => selection.toggle(row.id)}
                  />
                </label>
              )}
              {trashed ? (
                <div className={css.main}>
                  <Who row={row} />
                  {canWrite && (
                    <Button
                      aria-label={t('lead.restoreOne', { name: row.name })}
                      onClick={() => quietly(restoreLead(row))}
                    >
                      <Undo2 size={15} aria-hidden="true" />
                      {t('lead.restore')}
                    </Button>
                  )}
                </div>
              ) : (
                <Link to="." search={(old) => ({ ...old, lead: row.id })} resetScroll={false} className={css.main}>
                  <Who row={row} />
                  <span className={css.state}>
                    <span>
                      <StageGlyph status={row.status} size={14} />
                      {t(`status.${row.status}`)}
                    </span>
                    <NextStep lead={row} small />
                  </span>
                </Link>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

const Who = ({ row }: { row: LeadRow }) => (
  <>
    <Avatar name={row.name} size={36} />
    <span className={css.who}>
      <b>{row.name}</b>
      <small>{row.company ?? row.email ?? row.phone ?? t(`source.${row.source}`)}</small>
    </span>
  </>
);
