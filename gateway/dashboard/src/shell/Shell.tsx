import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState, useSearch } from '@tanstack/react-router';
import { Bell, Moon, Plus, Search, Sun } from 'lucide-react';
import { lazy, Suspense, useEffect } from 'react';
import { useStanding } from '../auth/standing';
import { Button, IconButton } from '../design/Button';
import { Failed } from '../design/Small';
import { useAskedLost } from '../leads/move';
import { setOpener } from '../leads/open';
import { useLive } from '../live/useLive';
import { overdueCountQuery } from '../reminders/queries';
import { t } from '../words';
import { LivePill } from './LivePill';
import { meQuery, useCanWrite } from './me';
import { PLACES } from './navigation';
import { openPanel, usePanel } from './panels';
import css from './shell.module.css';
import { useShortcuts } from './shortcuts';
import { Sidebar } from './Sidebar';
import { TabBar } from './TabBar';
import { setTheme, useDark } from './theme';

const Palette = lazy(() => import('../palette/Palette'));
const Help = lazy(() => import('./Help'));
const More = lazy(() => import('./More'));
const LeadDrawer = lazy(() => import('../leads/LeadDrawer'));
const LostDialog = lazy(() => import('../leads/LostDialog'));
const NewLead = lazy(() => import('../leads/NewLead'));
const SessionDialog = lazy(() => import('../auth/SessionDialog'));

export function Shell() {
  const me = useQuery(meQuery);
  if (me.data) return <Frame />;
  if (me.error)
    return (
      <div className={css.alone}>
        <Failed error={me.error} onRetry={() => void me.refetch()} />
      </div>
    );
  return <div className={css.alone} aria-busy="true" />;
}

function Frame() {
  const canWrite = useCanWrite();
  const live = useLive();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useShortcuts(canWrite);
  useEffect(
    () => setOpener((id) => void navigate({ to: '.', search: (old) => ({ ...old, lead: id }), resetScroll: false })),
    [navigate],
  );
  const here = PLACES.find((place) => place.to === path);
  useEffect(() => {
    document.title = here ? `${t(here.label)} · Leadline` : 'Leadline';
  }, [here]);
  return (
    <div className={css.app}>
      <a href="#main" className={css.skip}>
        {t('skip')}
      </a>
      <Sidebar />
      <div className={css.column}>
        <header className={css.top}>
          <img src="/icon.svg" alt="Leadline" width="32" height="32" className={css.topLogo} />
          <h1>{here && t(here.label)}</h1>
          <LivePill state={live} />
          <span className={css.grow} />
          <TopActions canWrite={canWrite} />
        </header>
        <main id="main" tabIndex={-1} className={css.main}>
          <Outlet />
        </main>
      </div>
      <TabBar canWrite={canWrite} />
      <Overlays />
    </div>
  );
}

function TopActions({ canWrite }: { canWrite: boolean }) {
  const dark = useDark();
  const overdue = useQuery(overdueCountQuery).data?.value ?? 0;
  const navigate = useNavigate();
  return (
    <>
      <IconButton label={t('search.open')} className={css.onlyNarrow ?? ''} onClick={() => openPanel('palette')}>
        <Search size={19} />
      </IconButton>
      <IconButton
        label={dark ? t('theme.toLight') : t('theme.toDark')}
        onClick={() => setTheme(dark ? 'light' : 'dark')}
      >
        {dark ? <Sun size={18} /> : <Moon size={18} />}
      </IconButton>
      <Link
        to="/reminders"
        className={css.bell}
        aria-label={overdue ? t('bell.overdue', { n: overdue }) : t('nav.reminders')}
        title={t('nav.reminders')}
      >
        <Bell size={18} aria-hidden="true" />
        {overdue > 0 && <i />}
      </Link>
      {canWrite && (
        <Button
          kind="primary"
          className={css.newLead ?? ''}
          onClick={() => void navigate({ to: '.', search: (old) => ({ ...old, new: true as const }) })}
        >
          <Plus size={16} aria-hidden="true" />
          {t('lead.new')}
          <kbd aria-hidden="true">N</kbd>
        </Button>
      )}
    </>
  );
}

function Overlays() {
  const panel = usePanel();
  const standing = useStanding();
  const canWrite = useCanWrite();
  const search = useSearch({ from: '/app' });
  const lost = useAskedLost();
  const close = () => openPanel(null);
  return (
    <Suspense>
      {search.lead && <LeadDrawer key="lead" id={search.lead} />}
      {search.new && canWrite && <NewLead />}
      {lost && <LostDialog title={lost} />}
      {panel === 'palette' && <Palette onClose={close} />}
      {panel === 'help' && <Help onClose={close} />}
      {panel === 'more' && <More onClose={close} />}
      {standing === 'expired' && <SessionDialog />}
    </Suspense>
  );
}
