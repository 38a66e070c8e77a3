import { compileMessage } from '@lingui/message-utils/compileMessage';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../src/words/', import.meta.url));

/**
 * Compiles the ICU messages of `src/words/<language>.json` when they are imported as `words:<language>`,
 * so that no parser of ICU is shipped to the browser.
 * @returns {import('vite').Plugin}
 */
export function words() {
  return {
    name: 'words',
    resolveId: (id) => (id.startsWith('words:') ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith('\0words:')) return;
      const file = `${folder}${id.slice('\0words:'.length)}.json`;
      this.addWatchFile(file);
      const compiled = Object.fromEntries(
        Object.entries(JSON.parse(readFileSync(file, 'utf8'))).map(([key, text]) => [key, compileMessage(text)]),
      );
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(compiled))});`;
    },
  };
}
