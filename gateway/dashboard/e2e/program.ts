import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test as base, expect, type Page } from '@playwright/test';
import { inFront } from './fresh';

const PROGRAM = process.env['LEADLINE'] ?? fileURLToPath(new URL('../../../target/debug/leadline', import.meta.url));
// About so many leads: enough for every figure to be of more than a few.
const SAMPLE = 1_500;
export const PASSWORD = 'a quiet river at dawn';

const settings = (folder: string) => ({
  ...process.env,
  LEADLINE_LISTEN: '127.0.0.1:0',
  LEADLINE_METRICS_LISTEN: 'off',
  LEADLINE_DATA_DIR: folder,
  LEADLINE_RATE_LIMITS: 'off',
});

/** Fills a data folder with sample data, and tells how to sign in. */
async function fill(folder: string, leads: number): Promise<{ email: string; password: string }> {
  const { stdout } = await promisify(execFile)(PROGRAM, ['demo', '--demo-leads', String(leads)], {
    env: settings(folder),
  });
  const match = /Sign in as (\S+) with the password (\S+)/.exec(stdout);
  if (!match?.[1] || !match[2]) throw new Error(`no sample data was made:\n${stdout}`);
  return { email: match[1], password: match[2] };
}

async function start(folder: string): Promise<{ process: ChildProcess; url: string }> {
  const child = spawn(PROGRAM, [], {
    env: settings(folder),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const url = await new Promise<string>((found, failed) => {
    let said = '';
    child.stdout.on('data', (part: Buffer) => {
      said += part.toString();
      const match = /listening on (http:\/\/\S+)/.exec(said);
      if (match?.[1]) found(match[1]);
    });
    child.once('exit', (code) => failed(new Error(`the program ended with ${code} before it listened:\n${said}`)));
    child.once('error', failed);
  });
  return { process: child, url };
}

/** A call to the API as somebody, past the page. */
export interface Caller {
  token: string;
  post: <T>(path: string, body: unknown) => Promise<T>;
  patch: <T>(path: string, body: unknown) => Promise<T>;
  get: <T>(path: string) => Promise<T>;
}

interface Fixtures {
  /** A page of somebody new, signed in to an empty workspace of theirs. */
  someone: { page: Page; email: string; caller: Caller };
}
interface WorkerFixtures {
  /** The real program, on a port and a data folder of its own. */
  url: string;
  /** Another one, with two years of sample data. */
  demo: { url: string; email: string; password: string };
}

/** Runs the program on a data folder of its own until `use` is done. */
async function running(
  use: (url: string, folder: string) => Promise<void>,
  before?: (folder: string) => Promise<void>,
) {
  const folder = await mkdtemp(join(tmpdir(), 'leadline-e2e-'));
  await before?.(folder);
  const { process: child, url } = await start(folder);
  const build = process.env['DASHBOARD_DIST'];
  const front = build ? await inFront(url, build) : undefined;
  await use(front?.url ?? url, folder);
  front?.server.closeAllConnections();
  front?.server.close();
  const ended = new Promise((go) => child.once('exit', go));
  child.kill('SIGTERM');
  await ended;
  await rm(folder, { recursive: true, force: true });
}

let count = 0;
export const newEmail = () => `person${Date.now()}.${(count += 1)}@example.com`;

export function callerOf(url: string, token: string): Caller {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  };
  return {
    token,
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
    get: (path) => call('GET', path),
  };
}

export async function signIn(page: Page, email: string, password = PASSWORD) {
  await page.goto('/sign-in');
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'Dashboard', level: 1 })).toBeVisible();
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  url: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright wants a pattern here
    async ({}, use) => running(use),
    { scope: 'worker' },
  ],
  demo: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright wants a pattern here
    async ({}, use) => {
      let who = { email: '', password: '' };
      await running(
        (url) => use({ url, ...who }),
        async (folder) => {
          who = await fill(folder, SAMPLE);
        },
      );
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ url }, use) => use(url),
  someone: async ({ page, url }, use) => {
    const email = newEmail();
    const made = (await (
      await fetch(`${url}/api/v1/auth/register`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({
          name: 'Amara Obi',
          email,
          password: PASSWORD,
          workspaceName: 'Northwind',
          timezone: 'Europe/London',
        }),
      })
    ).json()) as { accessToken: string };
    await signIn(page, email);
    await use({ page, email, caller: callerOf(url, made.accessToken) });
  },
});
export { expect };
