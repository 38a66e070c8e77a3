import { beforeEach, expect, it, vi } from 'vitest';

const token = (name: string, expiresIn = 900) =>
  new Response(JSON.stringify({ accessToken: name, tokenType: 'Bearer', expiresIn }), { status: 200 });
const refused = () => new Response(JSON.stringify({ title: 'No session', status: 401 }), { status: 401 });

/** A page of its own: the session is a module's state. */
async function page() {
  vi.resetModules();
  return import('./session');
}

beforeEach(() => {
  vi.unstubAllGlobals();
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('navigator', {});
});

it('many who need a token share one refresh', async () => {
  const asked = vi.fn(async () => token('one'));
  vi.stubGlobal('fetch', asked);
  const session = await page();
  await Promise.all([session.refresh(), session.refresh(), session.refresh()]);
  expect(asked).toHaveBeenCalledTimes(1);
  expect(await session.accessToken()).toBe('one');
  expect(session.currentStanding()).toBe('in');
});

it('a token that is about to end is renewed before it is sent', async () => {
  const answers = [token('short', 10), token('fresh')];
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => answers.shift() ?? refused()),
  );
  const session = await page();
  await session.refresh();
  expect(await session.accessToken()).toBe('fresh');
});

it('a session that is refused has expired; what waits goes on after signing in', async () => {
  const answers = [token('one')];
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => answers.shift() ?? refused()),
  );
  const session = await page();
  await session.refresh();
  await expect(session.refresh()).rejects.toMatchObject({ status: 401 });
  expect(session.currentStanding()).toBe('expired');
  const waits = session.expired();
  session.take({ accessToken: 'two', expiresIn: 900 });
  await waits;
  expect(await session.accessToken()).toBe('two');
});

it('the old session’s refusal does not end the one that was signed into meanwhile', async () => {
  let answer: (response: Response) => void = () => undefined;
  const answers: Promise<Response>[] = [Promise.resolve(token('one')), new Promise<Response>((go) => (answer = go))];
  vi.stubGlobal(
    'fetch',
    vi.fn(() => answers.shift()),
  );
  const session = await page();
  await session.refresh();
  const late = session.refresh();
  session.take({ accessToken: 'two', expiresIn: 900 });
  answer(refused());
  await late;
  expect(session.currentStanding()).toBe('in');
  expect(await session.accessToken()).toBe('two');
});

it('signing out lets what waits go with an error, not for ever', async () => {
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => refused()),
  );
  const session = await page();
  const waits = session.expired();
  session.leave();
  await expect(waits).rejects.toMatchObject({ status: 401 });
  expect(session.currentStanding()).toBe('out');
});

it('the token tells how far the server’s clock is from this one', async () => {
  const claims = (exp: number) => `x.${btoa(JSON.stringify({ exp }))}.y`;
  // The server is a minute ahead.
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => token(claims((Date.now() + 60_000 + 900_000) / 1000))),
  );
  const session = await page();
  expect(session.serverTime(0)).toBeUndefined();
  await session.refresh();
  expect(Math.abs((session.serverTime(1_000_000) ?? 0) - 1_060_000)).toBeLessThan(1_000);
});

it('what was asked for before the code was there is taken without waiting for a lock', async () => {
  const asked = vi.fn(async () => refused());
  const locks = { request: vi.fn() };
  vi.stubGlobal('fetch', asked);
  vi.stubGlobal('navigator', { locks });
  vi.stubGlobal('window', { leadline: { refresh: Promise.resolve(token('early')), answers: {}, at: Date.now() } });
  const session = await page();
  await session.refresh();
  expect(await session.accessToken()).toBe('early');
  expect(asked).not.toHaveBeenCalled();
  expect(locks.request).not.toHaveBeenCalled();
});

it('an early request that was refused is made again, under the lock', async () => {
  const locks = { request: vi.fn(async (_: string, run: () => Promise<void>) => run()) };
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => token('late')),
  );
  vi.stubGlobal('navigator', { locks });
  vi.stubGlobal('window', { leadline: { refresh: Promise.resolve(refused()), answers: {}, at: Date.now() } });
  const session = await page();
  await session.refresh();
  expect(await session.accessToken()).toBe('late');
  expect(locks.request).toHaveBeenCalledTimes(1);
});
