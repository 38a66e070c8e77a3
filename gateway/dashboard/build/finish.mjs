// The last step of the build: the API's reference page, the size budget, and a .br and .gz beside every text file.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const BUDGET = 200 * 1000;
const home = fileURLToPath(new URL('..', import.meta.url));
const dist = join(home, 'dist');

const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
mkdirSync(join(dist, 'docs'), { recursive: true });
for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'LICENSE', 'NOTICE'])
  copyFileSync(join(swagger, name), join(dist, 'docs', name));
for (const name of readdirSync(join(home, 'docs'))) copyFileSync(join(home, 'docs', name), join(dist, 'docs', name));

// What the first page needs: the entry and everything that it imports statically, and the dashboard's own chunk.
const manifest = JSON.parse(readFileSync(join(dist, 'build-manifest.json'), 'utf8'));
rmSync(join(dist, 'build-manifest.json'));
const needed = new Set();
const need = (key) => {
  const chunk = manifest[key];
  if (!chunk || needed.has(chunk.file)) return;
  needed.add(chunk.file);
  for (const other of chunk.imports ?? []) need(other);
};
need('index.html');
need('src/dashboard/Dashboard.tsx');
const weight = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const scripts = [...needed].filter((file) => file.endsWith('.js'));
const total = scripts.reduce((sum, file) => sum + weight(file), 0) + weight('theme.js');
console.log(
  `first load: ${(total / 1000).toFixed(1)} kB of JavaScript, gzip, in ${scripts.length + 1} files (budget ${BUDGET / 1000} kB)`,
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
}

if (total > BUDGET) {
  for (const file of scripts) console.error(`  ${(weight(file) / 1000).toFixed(1).padStart(6)} kB  ${file}`);
  console.error(
    `The first load is over its budget of ${BUDGET / 1000} kB: load what the first page does not need with its route.`,
  );
  process.exit(1);
}
