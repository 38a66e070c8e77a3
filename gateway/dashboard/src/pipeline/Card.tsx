import { Link } from '@tanstack/react-router';
import { Ellipsis } from 'lucide-react';
import { memo, type PointerEvent, type Ref } from 'react';
import { type LeadRow, type Status, STATUSES } from '../api/model';
import { Avatar } from '../design/Avatar';
import { IconButton } from '../design/Button';
import { Menu } from '../design/Menu';
import { StageGlyph } from '../design/StageGlyph';
import { NextStep } from '../leads/NextStep';
import { age, ago } from '../time/format';
import { useNow } from '../time/now';
import { t } from '../words';
import css from './pipeline.module.css';

const IDLE_MS = 7 * 86_400_000;

interface Props {
  ref?: Ref<HTMLLIElement>;
  /** Its place in the column, and how many there are: only those in sight are in the page. */
  index?: number;
  size?: number | undefined;
  lead: LeadRow;
  faded: boolean;
  onPress?: ((id: string) => (event: PointerEvent<HTMLElement>) => void) | undefined;
  onMove?: (id: string, to: Status) => void;
}

export const Card = memo(
  function Card({ ref, index, size, lead, faded, onPress, onMove }: Props) {
    const now = useNow();
    const closed = lead.status === 'Converted' || lead.status === 'Lost';
    const idle = !closed && now - Date.parse(lead.lastActivityAt) > IDLE_MS;
    return (
      <li
        ref={ref}
        data-index={index}
        aria-posinset={index === undefined ? undefined : index + 1}
        aria-setsize={index === undefined ? undefined : size}
        className={css.card}
        data-drag={faded || undefined}
        data-grab={onPress ? '' : undefined}
        onPointerDown={onPress?.(lead.id)}
      >
        <div className={css.row}>
          <Link to="." search={(old) => ({ ...old, lead: lead.id })} resetScroll={false} draggable={false}>
            {lead.name}
          </Link>
          {onPress && onMove && (
            <Menu
              trigger={
                <IconButton size="s" label={t('pipeline.move', { name: lead.name })}>
                  <Ellipsis size={16} />
                </IconButton>
              }
              items={[
                { heading: t('pipeline.moveTo') },
                ...STATUSES.filter((status) => status !== lead.status).map((status) => ({
                  label: t(`status.${status}`),
                  mark: <StageGlyph status={status} />,
                  onSelect: () => onMove(lead.id, status),
                })),
              ]}
            />
          )}
        </div>
        {lead.company && <p>{lead.company}</p>}
        <div className={css.foot}>
          <NextStep lead={lead} small />
          <span
            className={css.idle}
            data-idle={idle || undefined}
            title={`${t('pipeline.idle')}: ${ago(lead.lastActivityAt, now, 'long')}`}
          >
            {age(lead.lastActivityAt, now)}
          </span>
          {lead.owner && <Avatar name={lead.owner.name} size={22} title={lead.owner.name} />}
        </div>
      </li>
    );
  },
  (a, b) =>
    a.lead === b.lead && a.index === b.index && a.size === b.size && a.faded === b.faded && a.onMove === b.onMove,
);
