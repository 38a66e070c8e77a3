import { expect, it } from 'vitest';
import { events, type ServerEvent } from './events';

async function read(...parts: string[]): Promise<ServerEvent[]> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of events(body)) found.push(event);
  return found;
}

it('reads events with their ids and types, and passes over comments', async () => {
  expect(
    await read(': hello\n\nid: 7\nevent: activity\ndata: {"a":1}\n\n: tick\n\ndata: two\ndata: lines\n\n'),
  ).toEqual([
    { id: '7', type: 'activity', data: '{"a":1}' },
    { id: '7', type: 'message', data: 'two\nlines' },
  ]);
});
it('does not mind where the network cuts, not even inside a letter or a line end', async () => {
  const text = 'event: x\r\ndata: Zoë – ✓\r\n\r\nid: 2\r\ndata: b\r\n\r\n';
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const found: ServerEvent[] = [];
  for await (const event of events(body)) found.push(event);
  expect(found).toEqual([
    { id: undefined, type: 'x', data: 'Zoë – ✓' },
    { id: '2', type: 'message', data: 'b' },
  ]);
});
it('an event without data is none, and an unfinished one is not told', async () => {
  expect(await read('event: x\n\ndata: half')).toEqual([]);
});
