import { knownSince } from './early';
import { events } from './events';
import { accessToken, currentStanding, onStanding, refresh, serverTime } from './session';

/** `connecting`: for the first time; nothing was lost. */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'offline';
export interface LiveEvent {
  type: string;
  data: unknown;
}

// The server sends a comment every 15 s: this much silence means that the connection is dead.
const SILENCE_MS = 40_000;
const MAX_WAIT_MS = 20_000;

/** The id that an event of this time would have: a UUIDv7 begins with the milliseconds. */
export function idAt(ms: number): string {
  const hex = Math.max(0, Math.round(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

type Word =
  | { kind: 'event'; event: LiveEvent; id: string | undefined }
  | { kind: 'state'; state: LiveState }
  | { kind: 'hello' };

/**
 * Follows the workspace's event stream. Browsers allow six connections to a server over HTTP/1.1, so the tabs of one
 * browser share one stream: the tab that holds the lock reads it and passes events on; when it closes, the next takes over.
 */
export function follow(onEvent: (event: LiveEvent) => void, onState: (state: LiveState) => void): () => void {
  const stopped = new AbortController();
  const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('leadline.live');
  let lastId: string | undefined;
  const entered = knownSince();
  let leading = false;
  let state: LiveState = 'connecting';
  let current: AbortController | undefined;

  const show = (next: LiveState) => {
    state = next;
    onState(next);
    if (leading) channel?.postMessage({ kind: 'state', state: next } satisfies Word);
  };
  channel?.addEventListener('message', ({ data }: MessageEvent<Word>) => {
    if (data.kind === 'hello') {
      if (leading) channel.postMessage({ kind: 'state', state } satisfies Word);
    } else if (leading) return;
    else if (data.kind === 'state') onState((state = data.state));
    else {
      lastId = data.id ?? lastId;
      onEvent(data.event);
    }
  });
  channel?.postMessage({ kind: 'hello' } satisfies Word);

  async function read(): Promise<void> {
    const token = await accessToken();
    if (!token) throw new Error('no session');
    // What happens between the page's first requests and the stream's beginning is told, too: it resumes from then.
    const since = serverTime(entered);
    const from = lastId ?? (since === undefined ? undefined : idAt(since));
    const quiet = new AbortController();
    current = quiet;
    let timer = setTimeout(() => quiet.abort(), SILENCE_MS);
    try {
      const response = await fetch('/api/v1/events', {
        headers: {
          Accept: 'text/event-stream',
          Authorization: `Bearer ${token}`,
          ...(from ? { 'Last-Event-ID': from } : {}),
        },
        cache: 'no-store',
        signal: AbortSignal.any([stopped.signal, quiet.signal]),
      });
      if (response.status === 401) await refresh();
      if (!response.ok || !response.body) throw new Error(`events: ${response.status}`);
      show('live');
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), SILENCE_MS);
      };
      for await (const { id, type, data } of events(response.body, alive)) {
        lastId = id ?? lastId;
        let parsed: unknown;
        try {
          parsed = JSON.parse(data);
        } catch {
          continue;
        }
        const event = { type, data: parsed };
        onEvent(event);
        channel?.postMessage({ kind: 'event', event, id } satisfies Word);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async function lead(): Promise<void> {
    leading = true;
    for (let failures = 0; !stopped.signal.aborted;) {
      if (currentStanding() !== 'in') {
        // Nothing to follow until the visitor has signed in again.
        await new Promise<void>((go) => {
          const off = onStanding(() => (off(), go()));
          stopped.signal.addEventListener('abort', () => (off(), go()), { once: true });
        });
        continue;
      }
      const began = Date.now();
      try {
        await read();
      } catch {
        // Told by the pill below.
      }
      if (stopped.signal.aborted) return;
      failures = Date.now() - began > 5_000 ? 0 : failures + 1;
      show(navigator.onLine ? 'reconnecting' : 'offline');
      const wait =
        failures === 0 ? 0 : Math.min(MAX_WAIT_MS, 400 * 2 ** Math.min(failures, 6)) * (0.6 + Math.random() * 0.4);
      await new Promise<void>((go) => {
        const timer = setTimeout(go, wait);
        const now = () => (clearTimeout(timer), go());
        addEventListener('online', now, { once: true });
        stopped.signal.addEventListener('abort', now, { once: true });
      });
    }
  }

  if (navigator.locks)
    void navigator.locks.request('leadline.live', { signal: stopped.signal }, lead).catch(() => undefined);
  else void lead();
  // A stream that was open when the network went may look open for long: it is let go, and taken up again with the network.
  const offline = () => {
    show('offline');
    current?.abort();
  };
  addEventListener('offline', offline);
  return () => {
    stopped.abort();
    removeEventListener('offline', offline);
    channel?.close();
  };
}
