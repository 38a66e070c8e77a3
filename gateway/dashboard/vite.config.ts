import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { words } from './build/words.mjs';

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
          // Without these the first page is fifty small files: an icon here, a helper there.
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/ },
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
