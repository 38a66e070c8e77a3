import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Interval, Source, Status } from './api/model';
import { SOURCES, STATUSES } from './api/model';
import { currentStanding, start } from './api/session';
import { type LeadFilter, parseFilter } from './leads/filter';
import { parseSearch, safeNext, stringifySearch } from './search';
import { NotFound } from './shell/NotFound';
import { Shell } from './shell/Shell';
import { Crash } from './shell/Crash';
import { type Day, isDay } from './time/zone';

type Raw = Record<string, unknown>;
const one = <T extends string>(all: readonly T[], value: unknown): T | undefined =>
  all.find((known) => known === value);
const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined);
const day = (value: unknown) => (isDay(value) ? value : undefined);
const flag = (value: unknown) => (value === 'true' || value === true ? (true as const) : undefined);
const INTERVALS: readonly Interval[] = ['day', 'week', 'month'];

/** Panels that any page can have open: a lead, the form for a new one. */
export interface Panels {
  lead?: string;
  new?: true;
}

const root = createRootRoute({ notFoundComponent: NotFound, errorComponent: Crash });

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  component: Shell,
  validateSearch: (search: Raw): Panels => ({ lead: text(search['lead']), new: flag(search['new']) }),
  beforeLoad: async ({ location }) => {
    await start();
    if (currentStanding() === 'out')
      throw redirect({ to: '/sign-in', search: { next: location.href === '/' ? undefined : location.href } });
  },
});

export interface DashboardSearch {
  interval?: Interval;
  status?: Status;
  source?: Source;
  from?: Day;
  to?: Day;
  /** Without the period before. */
  alone?: true;
}
export interface ReportSearch {
  period?: Interval;
  date?: Day;
}
export type ReminderView = 'overdue' | 'today' | 'upcoming' | 'done';
export interface ReminderSearch {
  view?: ReminderView;
  assignee?: string;
  /** Going through the due ones, one at a time. */
  focus?: true;
}

type Page = () => Promise<{ default: () => ReactNode }>;
const lazy = (load: Page) => lazyRouteComponent(load);

const dashboard = createRoute({
  getParentRoute: () => app,
  path: '/',
  component: lazy(() => import('./dashboard/Dashboard')),
  validateSearch: (search: Raw): DashboardSearch => {
    const from = day(search['from']);
    const to = day(search['to']);
    const interval = one(INTERVALS, search['interval']);
    return {
      interval: interval === 'day' ? undefined : interval,
      status: one(STATUSES, search['status']),
      source: one(SOURCES, search['source']),
      ...(from && to && from <= to ? { from, to } : {}),
      alone: flag(search['alone']),
    };
  },
});
const leads = createRoute({
  getParentRoute: () => app,
  path: '/leads',
  component: lazy(() => import('./leads/Leads')),
  validateSearch: parseFilter,
});
const pipeline = createRoute({
  getParentRoute: () => app,
  path: '/pipeline',
  component: lazy(() => import('./pipeline/Pipeline')),
  validateSearch: (search: Raw): Pick<LeadFilter, 'q' | 'source' | 'tag' | 'owner'> => {
    const { q, source, tag, owner } = parseFilter(search);
    return { q, source, tag, owner };
  },
});
const reminders = createRoute({
  getParentRoute: () => app,
  path: '/reminders',
  component: lazy(() => import('./reminders/Reminders')),
  validateSearch: (search: Raw): ReminderSearch => ({
    view: one<ReminderView>(['overdue', 'today', 'upcoming', 'done'], search['view']),
    assignee: text(search['assignee']),
    focus: flag(search['focus']),
  }),
});
const reports = createRoute({
  getParentRoute: () => app,
  path: '/reports',
  component: lazy(() => import('./reports/Reports')),
  validateSearch: (search: Raw): ReportSearch => ({
    period: one(INTERVALS, search['period']),
    date: day(search['date']),
  }),
});
const activity = createRoute({
  getParentRoute: () => app,
  path: '/activity',
  component: lazy(() => import('./activity/ActivityPage')),
  validateSearch: (search: Raw): { type?: string } => ({ type: text(search['type']) }),
});
const importing = createRoute({
  getParentRoute: () => app,
  path: '/import',
  component: lazy(() => import('./import/ImportPage')),
  validateSearch: (search: Raw): { id?: string } => ({ id: text(search['id']) }),
});
const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  component: lazy(() => import('./settings/Settings')),
  validateSearch: (search: Raw): { tab?: 'team' | 'workspace' | 'account' | 'preferences' } => ({
    tab: one(['team', 'workspace', 'account', 'preferences'], search['tab']),
  }),
});

const outside = (search: Raw): { next?: string } => ({ next: safeNext(search['next']) });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: lazy(() => import('./auth/SignIn')),
  validateSearch: outside,
});
const register = createRoute({
  getParentRoute: () => root,
  path: '/register',
  component: lazy(() => import('./auth/Register')),
  validateSearch: outside,
});
const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation',
  component: lazy(() => import('./auth/Invitation')),
  validateSearch: (search: Raw): { token?: string; email?: string } => ({
    token: text(search['token']),
    email: text(search['email']),
  }),
});

export const router = createRouter({
  routeTree: root.addChildren([
    app.addChildren([dashboard, leads, pipeline, reminders, reports, activity, importing, settings]),
    signIn,
    register,
    invitation,
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  defaultPreloadStaleTime: 0,
  scrollRestoration: true,
});
declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
