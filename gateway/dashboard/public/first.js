// Runs before the first paint and before any other code, from a file of its own because the content security policy allows no
// inline script: sets the theme, and asks for what the page will need while its code is still on the way.
(() => {
  const files = JSON.parse(document.currentScript.dataset.files ?? '{}');
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      // Storage may be forbidden.
      return null;
    }
  };
  const { documentElement: html, head } = document;
  const path = location.pathname;
  const outside = ['/sign-in', '/register', '/invitation'].includes(path);
  const known = read('leadline.session') !== null;

  // The session first: everything that the page will show waits for its answer.
  if (known && !outside) {
    const ask = () =>
      fetch('/api/v1/auth/refresh', {
        method: 'POST',
        credentials: 'same-origin',
        signal: AbortSignal.timeout(15_000),
      });
    // One tab asks at a time: of many that a browser restores together, the others wait for the first one's cookie.
    const refresh = new Promise((resolve, reject) => {
      if (!navigator.locks) return resolve(ask());
      navigator.locks
        .request('leadline.refresh', { ifAvailable: true }, (lock) => {
          if (!lock) return reject(new Error('another tab asks'));
          const asked = ask();
          resolve(asked);
          return asked.catch(() => undefined);
        })
        .catch(reject);
    });
    refresh.catch(() => undefined);
    const token = refresh.then(async (answer) => (await answer.clone().json()).accessToken);
    const wanted = ['/api/v1/auth/me'];
    if (path === '/') {
      const interval = new URLSearchParams(location.search).get('interval');
      wanted.push(
        `/api/v1/analytics/dashboard?interval=${interval === 'week' || interval === 'month' ? interval : 'day'}`,
      );
    }
    const answers = {};
    for (const url of wanted) {
      answers[url] = token.then((token) => fetch(url, { headers: { Authorization: `Bearer ${token}` } }));
      answers[url].catch(() => undefined);
    }
    window.leadline = { refresh, answers, at: Date.now() };
    // The page's shape, until there is a page.
    html.dataset.boot = path === '/' ? 'figures' : 'page';
  }

  const theme = read('leadline.theme');
  const dark = theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  html.dataset.theme = dark ? 'dark' : 'light';
  const meta = document.querySelector('meta[name="theme-color"]');
  if (meta) meta.content = dark ? '#0B110F' : '#F4F3EE';

  // The files of the page that will be shown, which its code would name only when it runs. The build writes them.
  const speaks = (one) => ['en', 'de'].includes(one);
  const chosen = read('leadline.language');
  const language = speaks(chosen) ? chosen : navigator.languages.map((one) => one.slice(0, 2)).find(speaks);
  const fetchSoon = (names, priority) => {
    for (const name of names ?? []) {
      const link = document.createElement('link');
      link.href = `/assets/${name}`;
      link.crossOrigin = '';
      link.fetchPriority = priority;
      link.rel = name.endsWith('.css') ? 'preload' : 'modulepreload';
      if (name.endsWith('.css')) link.as = 'style';
      head.append(link);
    }
  };
  fetchSoon(files[known || outside ? path : '/sign-in'], 'auto');
  if (language === 'de') fetchSoon(files.de, 'auto');
  // What the dashboard shows after its first paint must not be in the way of that: it comes when the code before it has run.
  if (known && path === '/')
    document.addEventListener('DOMContentLoaded', () => fetchSoon(files.charts, 'low'), { once: true });
})();
