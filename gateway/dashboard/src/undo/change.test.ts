import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { change, later, offer, quietly, undoLast } from './change';
import { present, presentPage } from './gone';

const said: { title: string; action?: { run: () => void } | undefined }[] = [];
vi.mock('./notice', () => ({
  notify: (notice: (typeof said)[number]) => `said-${said.push(notice)}`,
  complain: (title: string, _: unknown, action?: { run: () => void }) => `said-${said.push({ title, action })}`,
  dismiss: () => undefined,
}));
vi.mock('../words', () => ({ t: (key: string, values?: { what?: string }) => values?.what ?? key }));

/** A promise that the test keeps or breaks. */
function answer<T>() {
  let give!: (value: T) => void;
  let refuse!: (error: unknown) => void;
  const promise = new Promise<T>((go, stop) => {
    give = go;
    refuse = stop;
  });
  return { promise, give, refuse };
}
const titles = () => said.map((one) => one.title);

beforeEach(() => {
  vi.useFakeTimers();
  said.length = 0;
});
afterEach(async () => {
  // Nothing is left to undo for the next test.
  for (let i = 0; i < 10; i += 1) await undoLast();
  vi.useRealTimers();
});

it('Ctrl-Z before the server has answered takes back that change, and not the one before', async () => {
  const undone: string[] = [];
  const server = answer<string>();
  offer('before', async () => undone.push('before'));
  quietly(
    change({
      send: () => server.promise,
      said: (result) => result,
      undo: async (result) => undone.push(result),
      failed: 'failed',
    }),
  );
  const undo = undoLast();
  await vi.advanceTimersByTimeAsync(100);
  expect(undone).toEqual([]);
  server.give('moved');
  await undo;
  expect(undone).toEqual(['moved']);
  // What is taken back already is not offered to be.
  expect(titles()).toEqual(['before', 'moved']);
});

it('a change that is refused is not undone as well', async () => {
  const undone: string[] = [];
  const server = answer<string>();
  let back = 0;
  quietly(
    change({
      show: () => () => (back += 1),
      send: () => server.promise,
      said: (result) => result,
      undo: async (result) => undone.push(result),
      failed: 'refused',
    }),
  );
  const undo = undoLast();
  server.refuse(new Error('no'));
  await undo;
  expect([undone, back, titles()]).toEqual([[], 1, ['refused']]);
});

it('an undo that fails can be tried again', async () => {
  let tries = 0;
  offer('moved', async () => {
    tries += 1;
    if (tries < 3) throw new Error('no connection');
  });
  await undoLast();
  expect(titles()).toEqual(['moved', 'undo.failed']);
  await undoLast();
  said.at(-1)?.action?.run();
  await vi.advanceTimersByTimeAsync(0);
  expect(tries).toBe(3);
  await undoLast();
  expect(titles().at(-1)).toBe('undo.nothing');
});

it('two undos at once go one after the other, the newest first', async () => {
  const order: string[] = [];
  const slow = answer<void>();
  offer('first', async () => order.push('first'));
  offer('second', async () => {
    await slow.promise;
    order.push('second');
  });
  const both = [undoLast(), undoLast()];
  await vi.advanceTimersByTimeAsync(50);
  expect(order).toEqual([]);
  slow.give();
  await Promise.all(both);
  expect(order).toEqual(['second', 'first']);
});

it('what is being deleted is in nothing that is read meanwhile, and comes back by an undo', async () => {
  let sent = 0;
  later({ id: 'n1', show: () => () => undefined, send: async () => (sent += 1), said: 'deleted', failed: 'failed' });
  expect(present([{ id: 'n1' }, { id: 'n2' }])).toEqual([{ id: 'n2' }]);
  expect(presentPage({ items: [{ id: 'n1' }], total: { value: 5 } })).toEqual({ items: [], total: { value: 4 } });
  await undoLast();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toBe(0);
  expect(present([{ id: 'n1' }])).toEqual([{ id: 'n1' }]);
});

it('what was deleted is made anew by an undo that comes later', async () => {
  const done: string[] = [];
  later({
    id: 'n3',
    show: () => () => undefined,
    send: async () => done.push('sent'),
    said: 'deleted',
    failed: 'failed',
    again: async () => done.push('made'),
  });
  await vi.advanceTimersByTimeAsync(6_100);
  expect(done).toEqual(['sent']);
  await undoLast();
  expect(done).toEqual(['sent', 'made']);
  // The old one stays away, whatever answer is still on its way.
  expect(present([{ id: 'n3' }])).toEqual([]);
});

it('a deletion that the server refuses brings the thing back and leaves nothing to undo', async () => {
  let back = 0;
  later({
    id: 'n4',
    show: () => () => (back += 1),
    send: () => Promise.reject(new Error('no')),
    said: 'deleted',
    failed: 'failed',
    again: async () => undefined,
  });
  await vi.advanceTimersByTimeAsync(6_100);
  expect([back, titles().at(-1)]).toEqual([1, 'failed']);
  expect(present([{ id: 'n4' }])).toEqual([{ id: 'n4' }]);
  await undoLast();
  expect(titles().at(-1)).toBe('undo.nothing');
});
