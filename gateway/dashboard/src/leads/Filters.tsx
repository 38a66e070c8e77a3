import { ChevronDown, SlidersHorizontal } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { SOURCES, STATUSES } from '../api/model';
import { Avatar } from '../design/Avatar';
import { Button } from '../design/Button';
import { Menu } from '../design/Menu';
import { StageGlyph } from '../design/StageGlyph';
import { useMe, useMembers } from '../shell/me';
import { t } from '../words';
import { FOLLOW_UPS } from './filter';
import css from './leads.module.css';
import { useFilter } from './useFilter';

const MoreFilters = lazy(() => import('./MoreFilters'));

const toggle = <T,>(all: T[] | undefined, one: T): T[] | undefined => {
  const next = all?.includes(one) ? all.filter((other) => other !== one) : [...(all ?? []), one];
  return next.length ? next : undefined;
};

const Trigger = ({ label, ...rest }: { label: string } & React.ButtonHTMLAttributes<HTMLButtonElement>) => (
  <Button {...rest}>
    {label}
    <ChevronDown size={14} aria-hidden="true" />
  </Button>
);

/** What narrows the list: the four that are used most as menus, the rest behind one button. */
export function Filters() {
  const { filter, set } = useFilter();
  const me = useMe();
  const members = useMembers();
  const [more, setMore] = useState(false);
  return (
    <>
      <div className={css.filters}>
        <Menu
          align="start"
          trigger={<Trigger label={t('leads.status')} />}
          items={STATUSES.map((status) => ({
            label: t(`status.${status}`),
            mark: <StageGlyph status={status} />,
            checked: filter.status?.includes(status) ?? false,
            onSelect: () => set({ status: toggle(filter.status, status) }),
          }))}
        />
        <Menu
          align="start"
          trigger={<Trigger label={t('leads.source')} />}
          items={SOURCES.map((source) => ({
            label: t(`source.${source}`),
            checked: filter.source?.includes(source) ?? false,
            onSelect: () => set({ source: toggle(filter.source, source) }),
          }))}
        />
        <Menu
          align="start"
          trigger={<Trigger label={t('leads.owner')} />}
          items={[
            {
              label: t('owner.me'),
              mark: <Avatar name={me.user.name} size={20} />,
              hint: filter.owner === 'me' ? '✓' : undefined,
              onSelect: () => set({ owner: filter.owner === 'me' ? undefined : 'me' }),
            },
            {
              label: t('owner.none'),
              hint: filter.owner === 'none' ? '✓' : undefined,
              onSelect: () => set({ owner: filter.owner === 'none' ? undefined : 'none' }),
            },
            ...(members.length > 1 ? (['line'] as const) : []),
            ...members
              .filter((member) => member.id !== me.user.id)
              .map((member) => ({
                label: member.name,
                mark: <Avatar name={member.name} size={20} />,
                hint: filter.owner === member.id ? '✓' : undefined,
                onSelect: () => set({ owner: filter.owner === member.id ? undefined : member.id }),
              })),
          ]}
        />
        <Menu
          align="start"
          trigger={<Trigger label={t('leads.nextStep')} />}
          items={FOLLOW_UPS.map((followUp) => ({
            label: t(`followUp.${followUp}`),
            hint: filter.followUp === followUp ? '✓' : undefined,
            onSelect: () => set({ followUp: filter.followUp === followUp ? undefined : followUp }),
          }))}
        />
        <Button onClick={() => setMore(true)} aria-haspopup="dialog">
          <SlidersHorizontal size={14} aria-hidden="true" />
          {t('filter.more')}
        </Button>
      </div>
      {more && (
        <Suspense>
          <MoreFilters onClose={() => setMore(false)} />
        </Suspense>
      )}
    </>
  );
}
