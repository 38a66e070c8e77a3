import { UserRoundPlus, UserRoundX } from 'lucide-react';
import type { Lead, LeadRow, Member } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Menu, type MenuPart } from '../design/Menu';
import { useMembers } from '../shell/me';
import { t } from '../words';
import { assignLead } from './changes';
import css from './leads.module.css';

/** The people that a lead can be given to. Viewers only read: they are left out. */
export function useOwnerItems(
  chosen: string | null | undefined,
  onSelect: (member: Member | null) => void,
): MenuPart[] {
  const members = useMembers();
  return [
    ...members
      .filter((member) => member.role !== 'viewer')
      .map((member) => ({
        label: member.name,
        mark: <Avatar name={member.name} size={20} />,
        hint: chosen === member.id ? '✓' : undefined,
        onSelect: () => onSelect(member),
      })),
    'line',
    {
      label: t('owner.none'),
      icon: UserRoundX,
      hint: chosen === null ? '✓' : undefined,
      onSelect: () => onSelect(null),
    },
  ];
}

/** `onPick`: what a choice does; by itself it gives the lead to whom was chosen. */
export function OwnerMenu({
  lead,
  onPick = (member) => void assignLead(lead, member),
}: {
  lead: Lead | LeadRow;
  onPick?: (member: Member | null) => void;
}) {
  const items = useOwnerItems(lead.owner?.id ?? null, onPick);
  return (
    <Menu
      align="start"
      items={items}
      trigger={
        <button
          type="button"
          className={css.cellButton}
          data-act="assign"
          aria-label={
            lead.owner
              ? t('owner.of', { name: lead.name, owner: lead.owner.name })
              : t('owner.give', { name: lead.name })
          }
        >
          {lead.owner ? (
            <>
              <Avatar name={lead.owner.name} size={22} />
              <span className={css.cut}>{lead.owner.name}</span>
            </>
          ) : (
            <span className={css.dim}>
              <UserRoundPlus size={16} aria-hidden="true" />
            </span>
          )}
        </button>
      }
    />
  );
}
