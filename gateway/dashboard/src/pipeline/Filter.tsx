import { ChevronDown } from 'lucide-react';
import { SOURCES } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button } from '../design/Button';
import { Menu } from '../design/Menu';
import type { LeadFilter } from '../leads/filter';
import { useMe, useMembers } from '../shell/me';
import { t } from '../words';

/** Whose leads, and where from. */
export function Filter({ filter, set }: { filter: LeadFilter; set: (patch: Partial<LeadFilter>) => void }) {
  const me = useMe();
  const members = useMembers();
  const owner =
    filter.owner === 'me'
      ? t('owner.me')
      : filter.owner === 'none'
        ? t('owner.none')
        : (members.find((member) => member.id === filter.owner)?.name ?? t('owner.everyone'));
  const pick = (value: string | undefined) => ({
    hint: filter.owner === value ? '✓' : undefined,
    onSelect: () => set({ owner: value }),
  });
  return (
    <>
      <Menu
        align="start"
        trigger={
          <Button>
            {owner}
            <ChevronDown size={14} aria-hidden="true" />
          </Button>
        }
        items={[
          { label: t('owner.everyone'), ...pick(undefined) },
          { label: t('owner.me'), mark: <Avatar name={me.user.name} size={20} />, ...pick('me') },
          { label: t('owner.none'), ...pick('none') },
          ...members
            .filter((member) => member.id !== me.user.id)
            .map((member) => ({
              label: member.name,
              mark: <Avatar name={member.name} size={20} />,
              ...pick(member.id),
            })),
        ]}
      />
      <Menu
        align="start"
        trigger={
          <Button>
            {t('leads.source')}
            <ChevronDown size={14} aria-hidden="true" />
          </Button>
        }
        items={SOURCES.map((source) => ({
          label: t(`source.${source}`),
          checked: filter.source?.includes(source) ?? false,
          onSelect: () => {
            const next = filter.source?.includes(source)
              ? filter.source.filter((one) => one !== source)
              : [...(filter.source ?? []), source];
            set({ source: next.length ? next : undefined });
          },
        }))}
      />
    </>
  );
}
