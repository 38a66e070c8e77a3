import { Link } from '@tanstack/react-router';
import { Undo2 } from 'lucide-react';
import { type LeadRow, STATUSES } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button } from '../design/Button';
import { Menu } from '../design/Menu';
import { Tag } from '../design/Small';
import { StageGlyph } from '../design/StageGlyph';
import { useZone } from '../shell/me';
import { ago, date, num } from '../time/format';
import { useNow } from '../time/now';
import { quietly } from '../undo/change';
import { t } from '../words';
import { restoreLead } from './changes';
import type { Column } from './columns';
import css from './leads.module.css';
import { requestMove } from './move';
import { NextStep } from './NextStep';
import { OwnerMenu } from './OwnerMenu';

interface Props {
  column: Column;
  row: LeadRow;
  canWrite: boolean;
  trashed: boolean;
}

export function Cell({ column, row, canWrite, trashed }: Props) {
  const now = useNow();
  const zone = useZone();
  const exact = (at: string) => date(at, { dateStyle: 'full', timeStyle: 'short' }, zone);
  switch (column) {
    case 'name':
      return (
        <th scope="row">
          {trashed ? (
            <span className={css.who}>
              <Avatar name={row.name} size={30} />
              <span>
                <b>{row.name}</b>
                <Button kind="ghost" className={css.restore ?? ''} onClick={() => quietly(restoreLead(row))}>
                  <Undo2 size={13} aria-hidden="true" />
                  {t('lead.restore')}
                </Button>
              </span>
            </span>
          ) : (
            <Link to="." search={(old) => ({ ...old, lead: row.id })} resetScroll={false} className={css.who}>
              <Avatar name={row.name} size={30} />
              <span>
                <b>{row.name}</b>
                {row.company && <small>{row.company}</small>}
              </span>
            </Link>
          )}
        </th>
      );
    case 'status':
      return (
        <td>
          {canWrite ? (
            <Menu
              align="start"
              trigger={
                <button
                  type="button"
                  className={css.cellButton}
                  data-act="stage"
                  aria-label={t('leads.statusOf', { name: row.name, status: t(`status.${row.status}`) })}
                >
                  <StageGlyph status={row.status} />
                  {t(`status.${row.status}`)}
                </button>
              }
              items={STATUSES.map((status) => ({
                label: t(`status.${status}`),
                mark: <StageGlyph status={status} />,
                hint: status === row.status ? '✓' : undefined,
                onSelect: () => requestMove(row, status),
              }))}
            />
          ) : (
            <span className={css.plainCell}>
              <StageGlyph status={row.status} />
              {t(`status.${row.status}`)}
            </span>
          )}
        </td>
      );
    case 'source':
      return <td>{t(`source.${row.source}`)}</td>;
    case 'nextStep':
      return (
        <td>
          <NextStep lead={row} />
        </td>
      );
    case 'owner':
      return (
        <td>
          {canWrite ? (
            <OwnerMenu lead={row} />
          ) : row.owner ? (
            <span className={css.plainCell}>
              <Avatar name={row.owner.name} size={22} />
              <span className={css.cut}>{row.owner.name}</span>
            </span>
          ) : (
            <span className={css.dim}>–</span>
          )}
        </td>
      );
    case 'updated':
      return (
        <td className={css.dim} title={exact(row.updatedAt)}>
          {ago(row.updatedAt, now)}
        </td>
      );
    case 'created':
      return (
        <td className={css.dim} title={exact(row.createdAt)}>
          {date(row.createdAt, { day: 'numeric', month: 'short', year: 'numeric' }, zone)}
        </td>
      );
    case 'company':
      return <td className={css.cut}>{row.company ?? <span className={css.dim}>–</span>}</td>;
    case 'email':
      return (
        <td className={css.cut}>
          {row.email ? <a href={`mailto:${row.email}`}>{row.email}</a> : <span className={css.dim}>–</span>}
        </td>
      );
    case 'phone':
      return (
        <td className="num">
          {row.phone ? <a href={`tel:${row.phone}`}>{row.phone}</a> : <span className={css.dim}>–</span>}
        </td>
      );
    case 'tags':
      return (
        <td>
          <span className={css.tags}>
            {row.tags.slice(0, 3).map((tag) => (
              <Tag key={tag}>{tag}</Tag>
            ))}
            {row.tags.length > 3 && <small className={css.dim}>+{row.tags.length - 3}</small>}
          </span>
        </td>
      );
    case 'notes':
      return <td className="num">{num(row.noteCount)}</td>;
  }
}
