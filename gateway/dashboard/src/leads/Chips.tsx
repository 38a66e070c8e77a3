import { useQuery } from '@tanstack/react-query';
import { CalendarRange, Hash, Upload, UserRound } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button } from '../design/Button';
import { Chip } from '../design/Small';
import { StageGlyph } from '../design/StageGlyph';
import { importQuery } from '../import/queries';
import { useMe, useMembers, useZone } from '../shell/me';
import { date, day, days } from '../time/format';
import { isDay } from '../time/zone';
import { t } from '../words';
import type { LeadFilter } from './filter';
import { conditions } from './filter';
import css from './leads.module.css';
import { useFilter } from './useFilter';

const SHORT = { day: 'numeric', month: 'short', year: 'numeric' } as const;
const MINUTE = { ...SHORT, hour: '2-digit', minute: '2-digit' } as const;
function span(from: string | undefined, to: string | undefined, zone: string): string {
  const name = (at: string) => (isDay(at) ? day(at, SHORT) : date(at, MINUTE, zone));
  if (from && to) {
    if (isDay(from) && isDay(to)) return from === to ? name(from) : days(from, to, SHORT);
    return name(from) === name(to) ? name(from) : `${name(from)} – ${name(to)}`;
  }
  return from ? t('filter.since', { day: name(from) }) : to ? t('filter.until', { day: name(to) }) : '';
}

/** The name of an import's file, once it is known. */
function useFileName(id: string | undefined): string {
  const { data } = useQuery({ ...importQuery(id ?? ''), enabled: id !== undefined });
  return data?.fileName || t('filter.import.unnamed');
}

/** What the list is narrowed to; each can be taken away. */
export function Chips() {
  const { filter, set, replace } = useFilter();
  const me = useMe();
  const members = useMembers();
  const zone = useZone();
  const file = useFileName(filter.import);
  const chips: { key: string; name: string; icon?: ReactNode; drop: Partial<LeadFilter> }[] = [];
  for (const status of filter.status ?? [])
    chips.push({
      key: status,
      name: t(`status.${status}`),
      icon: <StageGlyph status={status} size={14} />,
      drop: { status: filter.status?.filter((one) => one !== status) },
    });
  for (const status of filter.reached ?? [])
    chips.push({
      key: `reached ${status}`,
      name: t('filter.reached', { stage: t(`status.${status}`) }),
      icon: <StageGlyph status={status} size={14} />,
      drop: { reached: filter.reached?.filter((one) => one !== status) },
    });
  for (const source of filter.source ?? [])
    chips.push({
      key: source,
      name: t(`source.${source}`),
      drop: { source: filter.source?.filter((one) => one !== source) },
    });
  for (const tag of filter.tag ?? [])
    chips.push({
      key: `#${tag}`,
      name: tag,
      icon: <Hash size={13} aria-hidden="true" />,
      drop: { tag: filter.tag?.filter((one) => one !== tag) },
    });
  if (filter.owner)
    chips.push({
      key: 'owner',
      name:
        filter.owner === 'me'
          ? me.user.name
          : filter.owner === 'none'
            ? t('owner.none')
            : (members.find((one) => one.id === filter.owner)?.name ?? t('leads.owner')),
      icon: <UserRound size={13} aria-hidden="true" />,
      drop: { owner: undefined },
    });
  if (filter.followUp)
    chips.push({ key: 'followUp', name: t(`followUp.${filter.followUp}`), drop: { followUp: undefined } });
  if (filter.inactive)
    chips.push({ key: 'inactive', name: t('filter.idle', { n: filter.inactive }), drop: { inactive: undefined } });
  const calendar = <CalendarRange size={13} aria-hidden="true" />;
  if (filter.createdFrom ?? filter.createdTo)
    chips.push({
      key: 'created',
      name: t('filter.created', { when: span(filter.createdFrom, filter.createdTo, zone) }),
      icon: calendar,
      drop: { createdFrom: undefined, createdTo: undefined },
    });
  if (filter.updatedFrom ?? filter.updatedTo)
    chips.push({
      key: 'updated',
      name: t('filter.updated', { when: span(filter.updatedFrom, filter.updatedTo, zone) }),
      icon: calendar,
      drop: { updatedFrom: undefined, updatedTo: undefined },
    });
  const entered = span(filter.enteredFrom, filter.enteredTo, zone);
  if (filter.entered)
    chips.push({
      key: 'entered',
      name: t('filter.enteredStage', { stage: t(`status.${filter.entered}`), when: entered }).trim(),
      icon: <StageGlyph status={filter.entered} size={14} />,
      drop: { entered: undefined, enteredFrom: undefined, enteredTo: undefined },
    });
  else if (entered)
    chips.push({
      key: 'entered',
      name: t('filter.entered', { when: entered }),
      icon: calendar,
      drop: { enteredFrom: undefined, enteredTo: undefined },
    });
  if (filter.import)
    chips.push({
      key: 'import',
      name: t(`filter.import.${filter.importOutcome ?? 'any'}`, { file }),
      icon: <Upload size={13} aria-hidden="true" />,
      drop: { import: undefined, importOutcome: undefined },
    });
  if (filter.trashed) chips.push({ key: 'trashed', name: t('view.trash'), drop: { trashed: undefined } });
  if (chips.length === 0) return null;
  return (
    <div className={css.chips}>
      {chips.map((chip) => (
        <Chip key={chip.key} name={chip.name} onRemove={() => set(chip.drop)}>
          {chip.icon}
          {chip.name}
        </Chip>
      ))}
      {conditions(filter).length > 0 && (
        <Button kind="ghost" onClick={() => replace(filter.sort ? { sort: filter.sort } : {})}>
          {t('filter.clear')}
        </Button>
      )}
    </div>
  );
}
