import '@fontsource-variable/geist/wght.css';
import '@fontsource-variable/bricolage-grotesque/wght.css';
import './design/tokens.css';
import './design/base.css';
import { CSPProvider } from '@base-ui/react/csp-provider';
import { I18nProvider } from '@lingui/react';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { lazy, StrictMode, Suspense, useDeferredValue, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { currentStanding, start } from './api/session';
import { onSaid, waitingSaid } from './design/toasts';
import { dashboardQuery } from './dashboard/queries';
import { queryClient } from './query';
import { type DashboardSearch, router } from './router';
import { seedOwn } from './reminders/queries';
import { knownMe, meQuery } from './shell/me';
import { i18n, preferredLanguage, speak, useLanguage } from './words';

// The session is asked for while everything else still loads; whoever needs it meets the same promise.
void start().catch(() => undefined);
// The letters come after the code and while the session is asked for: until then others of the same width stand there.
for (const name of ['Geist', 'Bricolage Grotesque'])
  void document.fonts.load(`1em "${name} Variable"`).catch(() => undefined);
const whenIdle = (run: () => void) =>
  window.requestIdleCallback ? window.requestIdleCallback(run, { timeout: 2500 }) : setTimeout(run, 1200);
/** What shows notices, however long the connection takes to come back. */
async function loadToasts(): Promise<typeof import('./design/Toasts')> {
  try {
    return await import('./design/Toasts');
  } catch {
    await new Promise((go) => addEventListener('online', go, { once: true }));
    return loadToasts();
  }
}
const Toasts = lazy(loadToasts);

/** Runs once, when a page has shown what it came for. */
function onceSettled(run: () => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = queryClient.getQueryCache().subscribe(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (currentStanding() !== 'in' || queryClient.isFetching() > 0) return;
      stop();
      whenIdle(run);
    }, 600);
  });
}
// What nobody needs in the first second comes once the page has settled.
onceSettled(
  () =>
    void Promise.all([import('./design/OpenMenu'), import('./palette/Palette'), import('./leads/LeadDrawer')]).catch(
      () => undefined,
    ),
);

/**
 * What is said at the lower edge. Its code comes right after the first paint: what must be said may be that the server is out
 * of reach. What is said before it is there, is said without its looks.
 */
function Notices() {
  const waiting = useSyncExternalStore(onSaid, waitingSaid);
  const painted = useDeferredValue(true, false);
  const plain = (
    <div role="alert" className={waiting.length ? 'plain-notices' : undefined}>
      {waiting.map(({ id, title, description }) => (
        <p key={id}>
          {title}
          {description && <small>{description}</small>}
        </p>
      ))}
    </div>
  );
  return painted ? (
    <Suspense fallback={plain}>
      <Toasts />
    </Suspense>
  ) : (
    plain
  );
}

// After an update of the server the old page's chunks are gone: one reload brings the new page. Without a connection it would bring none.
addEventListener('vite:preloadError', () => {
  if (!navigator.onLine) return;
  const last = Number(sessionStorage.getItem('leadline.reloaded'));
  if (Date.now() - last < 30_000) return;
  sessionStorage.setItem('leadline.reloaded', String(Date.now()));
  location.reload();
});

function App() {
  const language = useLanguage();
  return (
    <I18nProvider i18n={i18n}>
      <RouterProvider router={router} key={language} />
      <Notices />
    </I18nProvider>
  );
}

// Later than this a page without its figures is better than its shape, which `index.html` shows to who is signed in, or than nothing.
const PATIENCE_MS = document.documentElement.dataset['boot'] ? 1_500 : 500;

/** What the first page shows, read before it is drawn: drawn once, it stands there sooner than after three drafts. */
async function firstPage(): Promise<void> {
  const page = router.load();
  await start();
  if (currentStanding() !== 'in') return page;
  const { pathname, search } = router.latestLocation;
  const figures = dashboardQuery((search as DashboardSearch).interval ?? 'day');
  await Promise.all([page, queryClient.prefetchQuery(meQuery), pathname === '/' && queryClient.prefetchQuery(figures)]);
  const me = knownMe();
  const data = queryClient.getQueryData(figures.queryKey);
  if (me && data) seedOwn(data.reminders, me.user.id);
}

async function show(root: HTMLElement) {
  const ready = firstPage().catch(() => undefined);
  await speak(preferredLanguage()).catch(() => speak('en'));
  await Promise.race([ready, new Promise((go) => setTimeout(go, PATIENCE_MS))]);
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={queryClient}>
          <App />
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  );
}
const root = document.getElementById('root');
if (root) void show(root);
