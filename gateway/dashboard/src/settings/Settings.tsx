import { getRouteApi, Link } from '@tanstack/react-router';
import { Building2, CircleUserRound, SlidersHorizontal, Users } from 'lucide-react';
import { t } from '../words';
import { Account } from './Account';
import { Preferences } from './Preferences';
import css from './settings.module.css';
import { Team } from './Team';
import { WorkspaceSettings } from './WorkspaceSettings';

const route = getRouteApi('/app/settings');
const TABS = [
  { tab: 'team', icon: Users, body: Team },
  { tab: 'workspace', icon: Building2, body: WorkspaceSettings },
  { tab: 'account', icon: CircleUserRound, body: Account },
  { tab: 'preferences', icon: SlidersHorizontal, body: Preferences },
] as const;

export default function Settings() {
  const { tab = 'team' } = route.useSearch();
  const Body = TABS.find((one) => one.tab === tab)?.body ?? Team;
  return (
    <div className={css.page}>
      <nav className={css.tabs} aria-label={t('nav.settings')}>
        {TABS.map(({ tab: name, icon: Icon }) => (
          <Link
            key={name}
            to="/settings"
            search={{ tab: name }}
            aria-current={tab === name ? 'page' : undefined}
            activeProps={{}}
            className={css.tab}
          >
            <Icon size={17} aria-hidden="true" />
            {t(`settings.${name}`)}
          </Link>
        ))}
      </nav>
      <div className={css.body}>
        <Body />
      </div>
    </div>
  );
}
