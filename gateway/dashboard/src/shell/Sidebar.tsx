import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Building2, Keyboard, LogOut, Search, Settings } from 'lucide-react';
import { signOut, switchWorkspace } from '../auth/calls';
import { summaryQuery } from '../dashboard/queries';
import { Avatar } from '../design/Avatar';
import { Menu, type MenuPart } from '../design/Menu';
import { Kbd } from '../design/Small';
import { overdueCountQuery } from '../reminders/queries';
import { num } from '../time/format';
import { t } from '../words';
import { useCanWrite, useMe } from './me';
import { PLACES } from './navigation';
import { openPanel } from './panels';
import { isMac } from './platform';
import css from './shell.module.css';

export function Sidebar() {
  const canWrite = useCanWrite();
  const total = useQuery(summaryQuery).data?.totalLeads;
  const overdue = useQuery(overdueCountQuery).data?.value;
  return (
    <aside className={css.side}>
      <div className={css.logo}>
        <img src="/icon.svg" alt="" width="30" height="30" />
        <span className="display">Leadline</span>
      </div>
      <button type="button" className={css.find} onClick={() => openPanel('palette')}>
        <Search size={16} aria-hidden="true" />
        <span>{t('search.open')}</span>
        <Kbd hidden>{isMac ? '⌘K' : 'Ctrl K'}</Kbd>
      </button>
      <nav aria-label={t('nav.main')} className={css.nav}>
        <ul>
          {PLACES.filter((place) => canWrite || !place.writes).map(({ to, icon: Icon, label }) => (
            <li key={to}>
              <Link to={to} activeOptions={{ exact: true, includeSearch: false }} className={css.item} title={t(label)}>
                <Icon size={18} aria-hidden="true" />
                <span>{t(label)}</span>
                {to === '/leads' && total !== undefined && total > 0 && <small className="num">{num(total)}</small>}
                {to === '/reminders' && overdue !== undefined && overdue > 0 && (
                  <small className="num" data-hot="" title={t('bell.overdue', { n: overdue })}>
                    {num(overdue)}
                  </small>
                )}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Account />
    </aside>
  );
}

/** What the account's menu offers, in the sidebar and on a phone. */
export function useAccountMenu(): MenuPart[] {
  const me = useMe();
  const navigate = useNavigate();
  const others: MenuPart[] =
    me.workspaces.length > 1
      ? [
          { heading: t('workspace.switch') },
          ...me.workspaces.map((workspace) => ({
            label: workspace.name,
            icon: Building2,
            hint: workspace.id === me.workspace.id ? '✓' : undefined,
            onSelect: () => void (workspace.id === me.workspace.id ? undefined : switchWorkspace(workspace.id)),
          })),
          'line' as const,
        ]
      : [];
  return [
    ...others,
    {
      label: t('account.settings'),
      icon: Settings,
      onSelect: () => void navigate({ to: '/settings', search: { tab: 'account' } }),
    },
    { label: t('help.title'), icon: Keyboard, hint: '?', onSelect: () => openPanel('help') },
    'line',
    { label: t('signOut'), icon: LogOut, onSelect: () => void signOut() },
  ];
}

function Account() {
  const me = useMe();
  const items = useAccountMenu();
  return (
    <Menu
      align="start"
      side="top"
      items={items}
      trigger={
        <button type="button" className={css.me}>
          <Avatar name={me.user.name} size={34} />
          <span>
            <b>
              <span className="sr">{t('account.menu')} </span>
              {me.user.name}
            </b>
            <small>{me.workspace.name}</small>
          </span>
        </button>
      }
    />
  );
}
