import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { words } from './build/words.mjs';

interface Graph {
  getModuleInfo: (id: string) => { importedIds: readonly string[] } | null;
}
const path = (end: string) => fileURLToPath(new URL(end, import.meta.url)).replaceAll('\\', '/');
const reach = new Map<string, Set<string>>();
/** Whatever a module imports, directly or not, but for what is only loaded when it is needed. */
function reached(from: string, graph: Graph): Set<string> {
  const known = reach.get(from);
  if (known) return known;
  const found = new Set([from]);
  for (const id of found) for (const next of graph.getModuleInfo(id)?.importedIds ?? []) found.add(next);
  reach.set(from, found);
  return found;
}
const MAIN = path('src/main.tsx');
const DASHBOARD = path('src/dashboard/Dashboard.tsx');
const CHARTS = path('src/dashboard/Charts.tsx');
const isLibrary = (id: string) =>
  (id.includes('node_modules') && !id.endsWith('.css')) || (id.startsWith('\0') && !id.includes('words:'));
const isFirst = (id: string, graph: Graph) => id !== MAIN && reached(MAIN, graph).has(id);

export default defineConfig({
  plugins: [react(), words()],
  // The API of a running gateway, for `npm run dev`.
  server: { proxy: { '/api': process.env['LEADLINE_URL'] ?? 'http://127.0.0.1:8080' } },
  build: {
    target: 'baseline-widely-available',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: 'build-manifest.json',
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Few files: over HTTP/1.1 a browser fetches six at a time, and each costs a round trip.
          groups: [
            {
              debugName: 'base',
              name: (id, graph) => (isLibrary(id) && isFirst(id, graph) ? 'base' : null),
              priority: 4,
            },
            { debugName: 'app', name: (id, graph) => (isFirst(id, graph) ? 'app' : null), priority: 3 },
            // What the dashboard paints first, and what it paints next.
            {
              debugName: 'figures',
              name: (id, graph) => (reached(DASHBOARD, graph).has(id) ? 'figures' : null),
              priority: 2,
            },
            {
              debugName: 'charts',
              name: (id, graph) => (reached(CHARTS, graph).has(id) ? 'charts' : null),
              priority: 1,
            },
            { name: 'icons', test: /node_modules[\\/]lucide-react[\\/]/ },
            {
              name: 'kit',
              test: /src[\\/](api|time|undo|design[\\/](Button|Card|Small|Avatar|StageGlyph|Menu|button|card|small)\b|leads[\\/](cache|queries|filter|changes|NextStep)\b|reminders[\\/](queries|changes)\b)/,
            },
          ],
        },
      },
    },
  },
  test: { environment: 'node', include: ['src/**/*.test.{ts,tsx}'] },
});
