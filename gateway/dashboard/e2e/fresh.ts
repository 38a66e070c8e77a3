import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

/**
 * Puts the files of a build in front of a running program, which keeps answering the API: for trying a build without
 * compiling it into the program. The page's policy is taken from the program.
 */
export async function inFront(program: string, folder: string): Promise<{ url: string; server: Server }> {
  const policy = (await fetch(program)).headers.get('Content-Security-Policy') ?? '';
  const server = createServer((incoming, outgoing) => {
    const path = new URL(incoming.url ?? '/', program).pathname;
    if (!path.startsWith('/api')) {
      const file = join(folder, path);
      const there = existsSync(`${file}.br`) || (existsSync(file) && statSync(file).isFile());
      const found = there ? file : join(folder, 'index.html');
      const coded = existsSync(`${found}.br`);
      outgoing.writeHead(200, {
        ...(coded ? { 'Content-Encoding': 'br' } : {}),
        'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream',
        'Content-Security-Policy': policy,
      });
      outgoing.end(readFileSync(coded ? `${found}.br` : found));
      return;
    }
    const onward = request(
      new URL(incoming.url ?? '/', program),
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
