import { Link, useNavigate } from '@tanstack/react-router';
import { CircleUserRound, Kanban, LayoutDashboard, Plus, Users } from 'lucide-react';
import { t } from '../words';
import { openPanel } from './panels';
import css from './shell.module.css';

export function TabBar({ canWrite }: { canWrite: boolean }) {
  const navigate = useNavigate();
  const exact = { exact: true, includeSearch: false };
  return (
    <nav className={css.tabs} aria-label={t('nav.main')} data-fab={canWrite || undefined}>
      <Link to="/" activeOptions={exact} className={css.tab}>
        <LayoutDashboard size={21} aria-hidden="true" />
        {t('nav.dashboard')}
      </Link>
      <Link to="/leads" activeOptions={exact} className={css.tab}>
        <Users size={21} aria-hidden="true" />
        {t('nav.leads')}
      </Link>
      {canWrite && (
        <button
          type="button"
          className={css.fab}
          aria-label={t('lead.new')}
          onClick={() => void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) })}
        >
          <Plus size={24} />
        </button>
      )}
      <Link to="/pipeline" activeOptions={exact} className={css.tab}>
        <Kanban size={21} aria-hidden="true" />
        {t('nav.pipeline')}
      </Link>
      <button type="button" className={css.tab} aria-haspopup="dialog" onClick={() => openPanel('more')}>
        <CircleUserRound size={21} aria-hidden="true" />
        {t('nav.more')}
      </button>
    </nav>
  );
}
