// Runs before the first paint and before any other code, from a file of its own because the content security policy allows no
// inline script: sets the theme, and asks for what the page will need while its code is still on the way.
(() => {
  const { entry, files: listed } = document.currentScript.dataset;
  const files = JSON.parse(listed ?? '{}');
  const read = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      // Storage may be forbidden.
      return null;
    }
  };
  const keep = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // As above.
    }
  };
  const ASKING_MS = 3_000;
  const asksAnother = () => Math.abs(Date.now() - Number(read('leadline.asking'))) < ASKING_MS;
  const { documentElement: html, head } = document;
  const path = location.pathname;
  const outside = ['/sign-in', '/register', '/invitation'].includes(path);
  const known = read('leadline.session') !== null;

  // The page's code, which is here already or on its way. While it is run nothing else is: so what it would only wait for afterwards
  // is asked for before, if that takes no longer than this.
  const PATIENCE_MS = 150;
  const code = document.createElement('script');
  let begun = !entry;
  const begin = () => {
    if (begun) return;
    begun = true;
    Object.assign(code, { type: 'module', crossOrigin: '', src: entry });
    // It looks for its place in the page.
    if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', () => head.append(code));
    else head.append(code);
  };

  // The session first: everything that the page will show waits for its answer.
  if (known && !outside) {
    const ask = () =>
      fetch('/api/v1/auth/refresh', {
        method: 'POST',
        credentials: 'same-origin',
        signal: AbortSignal.timeout(15_000),
      });
    // One tab asks at a time: of many that a browser restores together, the others wait for the first one's cookie. A lock alone would
    // say so, but a slow machine takes a tenth of a second to give it; two that ask at the very same time the server bears.
    const another = asksAnother();
    const refresh = another ? Promise.reject(new Error('another tab asks')) : ask();
    const told = refresh.catch(() => undefined);
    if (!another) {
      keep('leadline.asking', Date.now());
      navigator.locks?.request('leadline.refresh', { ifAvailable: true }, () => told).catch(() => undefined);
      told.then(() => keep('leadline.asking', 0));
    }
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
    token.catch(() => undefined).then(begin);
    setTimeout(begin, PATIENCE_MS);
    // The page's shape, until there is a page.
    html.dataset.boot = path === '/' ? 'figures' : 'page';
  } else begin();

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
  // The first number and the first date of a language cost a slow machine half a tenth of a second: while it waits for the code, it has that.
  setTimeout(() => {
    const locale = navigator.languages.find((one) => one.startsWith(language)) ?? language;
    new Intl.NumberFormat(locale).format(0);
    new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(0);
  });
  // What the dashboard shows after its first paint must not be in the way of that: it comes when the code before it has run.
  if (known && path === '/') code.addEventListener('load', () => fetchSoon(files.charts, 'low'));
})();
