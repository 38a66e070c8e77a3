// The last step of the build: the API's reference page, the size budget, and a .br and .gz of every text file. Scripts and
// styles are kept in these two only: the program, which has them all in it, unpacks one for whoever takes no coding.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify } from 'vite';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const BUDGET = 200 * 1000;
const home = fileURLToPath(new URL('..', import.meta.url));
const dist = join(home, 'dist');

const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
mkdirSync(join(dist, 'docs'), { recursive: true });
for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'])
  copyFileSync(join(swagger, name), join(dist, 'docs', name));
for (const name of readdirSync(join(home, 'docs'))) copyFileSync(join(home, 'docs', name), join(dist, 'docs', name));

// What a page needs: an entry and everything that it imports statically.
const manifest = JSON.parse(readFileSync(join(dist, 'build-manifest.json'), 'utf8'));
rmSync(join(dist, 'build-manifest.json'));
function need(keys) {
  const chunks = new Set();
  const take = (key) => {
    const chunk = manifest[key];
    if (!chunk || chunks.has(chunk)) return;
    chunks.add(chunk);
    for (const other of chunk.imports ?? []) take(other);
  };
  for (const key of keys) take(key);
  return new Set([...chunks].flatMap((chunk) => [chunk.file, ...(chunk.css ?? [])]));
}

const keyLike = (pattern) => Object.keys(manifest).find((key) => pattern.test(key));
// Each page's own files, for `first.js` to ask for before the code that would name them runs.
const PAGES = {
  '/': [keyLike(/^_figures-.*\.js$/)],
  // Of the dashboard too, after its first paint.
  charts: [keyLike(/^_charts-.*\.js$/)],
  '/leads': ['src/leads/Leads.tsx'],
  '/pipeline': ['src/pipeline/Pipeline.tsx'],
  '/reminders': ['src/reminders/Reminders.tsx'],
  '/reports': ['src/reports/Reports.tsx'],
  '/activity': ['src/activity/ActivityPage.tsx'],
  '/import': ['src/import/ImportPage.tsx'],
  '/settings': ['src/settings/Settings.tsx'],
  '/sign-in': ['src/auth/SignIn.tsx'],
  '/register': ['src/auth/Register.tsx'],
  '/invitation': ['src/auth/Invitation.tsx'],
  de: [keyLike(/words:de$/), 'src/words/server.ts'],
};
const always = need(['index.html']);
const files = {};
for (const [page, keys] of Object.entries(PAGES)) {
  const missing = keys.filter((key) => !manifest[key]);
  if (missing.length) throw new Error(`${page} has no ${missing.join(', ')} in the build`);
  files[page] = [...need(keys)].filter((file) => !always.has(file)).map((file) => file.replace('assets/', ''));
}

// The first script may be kept for ever like every other, so that it runs without asking the server.
const script = readFileSync(join(dist, 'first.js'));
const { code } = await minify('first.js', script.toString());
const name = `assets/first-${createHash('sha256').update(code).digest('base64url').slice(0, 8)}.js`;
rmSync(join(dist, 'first.js'));
writeFileSync(join(dist, name), code);
const page = readFileSync(join(dist, 'index.html'), 'utf8');
const tag = '<script src="/first.js"></script>';
if (!page.includes(tag)) throw new Error('index.html has no first script');
const list = JSON.stringify(files).replaceAll('"', '&quot;');
writeFileSync(join(dist, 'index.html'), page.replace(tag, `<script src="/${name}" data-files="${list}"></script>`));

const weight = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const scripts = [name, ...need(['index.html', ...PAGES['/'], ...PAGES.charts])].filter((file) => file.endsWith('.js'));
const total = scripts.reduce((sum, file) => sum + weight(file), 0);
console.log(
  `first load: ${(total / 1000).toFixed(1)} kB of JavaScript, gzip, in ${scripts.length} files (budget ${BUDGET / 1000} kB)`,
);

const TEXT = new Set(['.js', '.css', '.html', '.svg', '.json', '.txt', '.webmanifest']);
const walk = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
for (const path of walk(dist)) {
  if (!TEXT.has(extname(path))) continue;
  const body = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
  );
  if (['.js', '.css'].includes(extname(path))) rmSync(path);
}

if (total > BUDGET) {
  for (const file of scripts) console.error(`  ${(weight(file) / 1000).toFixed(1).padStart(6)} kB  ${file}`);
  console.error(
    `The first load is over its budget of ${BUDGET / 1000} kB: load what the first page does not need with its route.`,
  );
  process.exit(1);
}
