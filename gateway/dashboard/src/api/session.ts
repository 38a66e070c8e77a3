import { earlyRefresh } from './early';
import { ApiError, problem } from './problem';

/** Where the visitor stands: not known yet, signed in, signed out, or signed in with a session that has ended under them. */
export type Standing = 'unknown' | 'in' | 'out' | 'expired';

interface Token {
  accessToken: string;
  expiresIn: number;
}
interface Held {
  token: string;
  /** When it stops being good, by this machine's clock. */
  until: number;
}

const HINT = 'leadline.session';
// Renewed this long before its end, so that no request is sent with a token that dies on the way.
const MARGIN_MS = 30_000;

let held: Held | null = null;
let standing: Standing = 'unknown';
let flight: Promise<void> | null = null;
/** Counts the sessions and their renewals: what was asked of an earlier one says nothing of the present one. */
let round = 0;
const listeners = new Set<() => void>();
const waiting = new Set<{ go: () => void; stop: (why: unknown) => void }>();
const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('leadline.session');

/** What tabs of one browser tell each other. */
type Word = { kind: 'token'; held: Held } | { kind: 'out' } | { kind: 'workspace' };

function settle(next: Standing) {
  standing = next;
  try {
    if (next === 'in') localStorage.setItem(HINT, '1');
    if (next === 'out') localStorage.removeItem(HINT);
  } catch {
    // Without storage the only loss is one needless request at the next start.
  }
  for (const tell of listeners) tell();
  if (next === 'in') {
    for (const one of waiting) one.go();
    waiting.clear();
  }
  if (next === 'out') {
    for (const one of waiting) one.stop(new ApiError(401, 'Signed out'));
    waiting.clear();
  }
}

function hold(next: Held) {
  held = next;
  round += 1;
  if (standing !== 'in') settle('in');
}

tabs?.addEventListener('message', ({ data }: MessageEvent<Word>) => {
  if (data.kind === 'token') {
    // A tab that shows the sign-in page stays there until its own visitor asks for more.
    if (standing === 'in' || standing === 'expired') hold(data.held);
  } else if (data.kind === 'out') {
    held = null;
    if (standing === 'in' || standing === 'expired') location.assign('/sign-in');
  } else location.assign('/');
});
const tell = (word: Word) => tabs?.postMessage(word);

/** Takes what register, login, refresh or a change of workspace answered. */
export function take(token: Token) {
  const next = { token: token.accessToken, until: Date.now() + token.expiresIn * 1000 };
  hold(next);
  tell({ kind: 'token', held: next });
}

async function renew(): Promise<void> {
  const before = held;
  const began = round;
  // What was asked for early was asked for under the lock: its answer needs none.
  const early = await earlyRefresh();
  if (early) return take((await early.json()) as Token);
  const once = async () => {
    // While this tab waited for the lock, another may have brought a new token.
    if (held && held !== before && held.until - Date.now() > MARGIN_MS) return;
    let response: Response;
    try {
      response = await fetch('/api/v1/auth/refresh', {
        method: 'POST',
        credentials: 'same-origin',
        signal: AbortSignal.timeout(15_000),
      });
    } catch {
      throw new ApiError(0, 'The server can’t be reached');
    }
    if (!response.ok) {
      const refused = problem(await response.json().catch(() => null), response);
      // Somebody may have signed in again while the old session was still being refused.
      if (round !== began) return;
      if ((refused.status === 401 || refused.status === 403) && standing === 'in') {
        held = null;
        settle('expired');
      }
      throw refused;
    }
    take((await response.json()) as Token);
  };
  // One refresh at a time in all tabs: the cookie rotates, and a token used twice ends the session.
  // Locks need a secure context; on plain HTTP the server's ten seconds of grace have to do.
  if (navigator.locks) await navigator.locks.request('leadline.refresh', once);
  else await once();
}

/** Brings a fresh access token; many callers share one request. */
export function refresh(): Promise<void> {
  flight ??= renew().finally(() => {
    flight = null;
  });
  return flight;
}

/** The access token for the next request, renewed if it is about to end; null when there is no session. */
export async function accessToken(): Promise<string | null> {
  if (held && held.until - Date.now() < MARGIN_MS) await refresh().catch(() => undefined);
  return held?.token ?? null;
}

/** A time of this machine by the server's clock, which the token's end tells of. */
export function serverTime(at: number): number | undefined {
  try {
    const claims = JSON.parse(atob((held?.token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as {
      exp?: unknown;
    };
    return held && typeof claims.exp === 'number' ? at + claims.exp * 1000 - held.until : undefined;
  } catch {
    return undefined;
  }
}

/** Finds out, once, whether there is a session. */
export async function start(): Promise<void> {
  if (standing !== 'unknown') return;
  let hinted = true;
  try {
    hinted = localStorage.getItem(HINT) !== null;
  } catch {
    // No storage: ask the server.
  }
  if (!hinted) return settle('out');
  try {
    await refresh();
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) settle('out');
    else throw error;
  }
}

/**
 * The session has ended under the visitor: the page asks for the password over what they were doing.
 * Resolves when they are signed in again; rejects when they sign out instead.
 */
export function expired(): Promise<void> {
  held = null;
  if (standing !== 'expired') settle('expired');
  return new Promise((go, stop) => waiting.add({ go, stop }));
}

/** Which session, and which token of it, requests go with now. */
export const currentRound = () => round;

/** Forgets the session here and in the other tabs. The server is told by whoever calls this. */
export function leave() {
  held = null;
  settle('out');
  tell({ kind: 'out' });
}

/** Makes the other tabs start anew: the session is in another workspace now. */
export const moved = () => tell({ kind: 'workspace' });

export const currentStanding = () => standing;
export function onStanding(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
