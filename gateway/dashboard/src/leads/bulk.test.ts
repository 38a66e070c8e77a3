import { beforeEach, expect, it, vi } from 'vitest';
import type { LeadRow } from '../api/model';
import { ApiError } from '../api/problem';
import { undoLast } from '../undo/change';
import { changeMany, CHUNK } from './bulk';

type Sent = { ids: string[]; setStatus?: string; reason?: string };
const sent: Sent[] = [];
let answer: (body: Sent) => void = () => undefined;
const said: string[] = [];
vi.mock('../api/client', () => ({
  api: {
    POST: async (_: string, { body }: { body: Sent }) => {
      sent.push(body);
      answer(body);
      return { matched: body.ids.length, changed: body.ids.length, failed: [] };
    },
  },
  ok: (data: unknown) => data,
}));
vi.mock('../undo/notice', () => ({
  notify: ({ title }: { title: string }) => `said-${said.push(title)}`,
  complain: (title: string) => `said-${said.push(title)}`,
  dismiss: () => undefined,
}));

const rows = Array.from(
  { length: CHUNK * 2 + 10 },
  (_, i) => ({ id: `l${i}`, status: 'New', tags: [] }) as unknown as LeadRow,
);
const lost = { status: 'Lost' } as const;

beforeEach(() => {
  vi.useFakeTimers();
  sent.length = 0;
  said.length = 0;
  answer = () => undefined;
});

it('what was changed before a part failed can be undone, and how much was not is said', async () => {
  answer = ({ ids }) => {
    if (ids[0] === `l${CHUNK}`) throw new ApiError(422, 'no');
  };
  const result = await changeMany(rows, lost);
  expect([result.changed, result.failed.length]).toEqual([CHUNK, CHUNK + 10]);
  expect(said[0]).toBe('Not all of the leads could be changed');
  expect(said[1]).toContain(`${CHUNK} leads moved to Lost.`);
  sent.length = 0;
  answer = () => undefined;
  await undoLast();
  expect(sent).toEqual([{ ids: rows.slice(0, CHUNK).map((row) => row.id), setStatus: 'New' }]);
});

it('a part whose answer was lost is taken back with the others', async () => {
  answer = ({ ids }) => {
    if (ids[0] === `l${CHUNK}`) throw new ApiError(0, 'no connection');
  };
  await changeMany(rows, lost);
  sent.length = 0;
  answer = () => undefined;
  await undoLast();
  expect(sent.flatMap((one) => one.ids)).toEqual(rows.slice(0, CHUNK * 2).map((row) => row.id));
});

it('called off between two parts, the rest is left as it is and what is done can be undone', async () => {
  const stop = new AbortController();
  const result = await changeMany(rows, lost, { signal: stop.signal, progress: () => stop.abort() });
  expect([result.changed, sent.length]).toEqual([CHUNK, 1]);
  expect(said).toEqual([`${CHUNK} leads moved to Lost.`]);
  await undoLast();
  expect(sent[1]).toEqual({ ids: rows.slice(0, CHUNK).map((row) => row.id), setStatus: 'New' });
});

it('when nothing was done, nothing is offered to be undone', async () => {
  answer = () => {
    throw new ApiError(403, 'no');
  };
  await expect(changeMany(rows, lost)).rejects.toThrow();
  await undoLast();
  expect(said).toEqual(['The leads could not be changed', 'There is nothing to undo']);
});

it('a reason goes with every part of a move, and with no undo of it', async () => {
  await changeMany(rows, { ...lost, reason: 'Too expensive' });
  expect(sent.map((body) => body.reason)).toEqual(['Too expensive', 'Too expensive', 'Too expensive']);
  sent.length = 0;
  await undoLast();
  expect(new Set(sent.map((body) => body.reason))).toEqual(new Set([undefined]));
});
