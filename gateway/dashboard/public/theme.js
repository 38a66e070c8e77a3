// Runs before the first paint, from a file of its own because the content security policy allows no inline script.
(() => {
  let saved = null;
  try {
    saved = localStorage.getItem('leadline.theme');
  } catch {
    // Storage may be forbidden: the system's theme it is.
  }
  const dark = saved ? saved === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  const meta = document.querySelector('meta[name="theme-color"]');
  if (meta) meta.content = dark ? '#0B110F' : '#F4F3EE';
})();
