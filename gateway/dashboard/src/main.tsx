import '@fontsource-variable/geist/wght.css';
import '@fontsource-variable/bricolage-grotesque/wght.css';
import './design/tokens.css';
import './design/base.css';
import { CSPProvider } from '@base-ui/react/csp-provider';
import { I18nProvider } from '@lingui/react';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { start } from './api/session';
import Toasts from './design/Toasts';
import { queryClient } from './query';
import { router } from './router';
import { i18n, preferredLanguage, speak, useLanguage } from './words';

// The session is asked for while everything else still loads; whoever needs it meets the same promise.
void start().catch(() => undefined);

const whenIdle = (run: () => void) =>
  window.requestIdleCallback ? window.requestIdleCallback(run, { timeout: 2500 }) : setTimeout(run, 1200);
// What nobody needs in the first second comes once the page has settled.
addEventListener('load', () =>
  whenIdle(
    () =>
      void Promise.all([import('./design/OpenMenu'), import('./palette/Palette'), import('./leads/LeadDrawer')]).catch(
        () => undefined,
      ),
  ),
);
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
      <Toasts />
    </I18nProvider>
  );
}

async function show(root: HTMLElement) {
  await speak(preferredLanguage()).catch(() => speak('en'));
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
