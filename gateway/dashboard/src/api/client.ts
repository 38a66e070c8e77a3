import createClient from 'openapi-fetch';
import { earlyAnswer } from './early';
import { ApiError, problem } from './problem';
import type { paths } from './schema';
import { accessToken, currentRound, currentStanding, expired, refresh } from './session';

const TIMEOUT_MS = 30_000;

/** A key for a POST; `crypto.randomUUID` exists in secure contexts only. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Calls that make or end the session itself: a 401 of theirs is an answer, not the end of the session. */
const opensSession = (url: string) =>
  /\/auth\/(login|register|refresh|logout|invitations\/accept)$/.test(new URL(url, location.href).pathname);

async function send(request: Request): Promise<Response> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    return await fetch(request, { signal });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError(0, 'The server can’t be reached');
  }
}

/** Sends with the token of the session; renews it, or waits for the visitor to sign in again, and repeats. */
export async function withSession(input: Request, by = send): Promise<Response> {
  const open = opensSession(input.url);
  if (input.method === 'POST' && !open && !input.headers.has('Idempotency-Key'))
    input.headers.set('Idempotency-Key', idempotencyKey());
  if (!open && currentStanding() === 'expired') await expired();
  if (input.method === 'GET') {
    const answer = await earlyAnswer(input.url);
    if (answer) return answer;
  }
  let sent = currentRound();
  const attempt = async () => {
    const request = input.clone();
    const token = open ? null : await accessToken();
    sent = currentRound();
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
    return by(request);
  };
  const again = async () => {
    try {
      return await attempt();
    } catch (error) {
      // The key makes a repeated POST safe; a GET always is. Other writes may have been done already.
      const safe = input.method === 'GET' || input.headers.has('Idempotency-Key');
      if (!safe || !(error instanceof ApiError) || !error.offline) throw error;
      await new Promise((go) => setTimeout(go, 600));
      return attempt();
    }
  };
  const response = await again();
  if (response.status !== 401 || open || currentStanding() === 'out') return response;
  // A token that has come meanwhile is tried before another is asked for.
  if (currentRound() !== sent) return attempt();
  try {
    await refresh();
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401 && error.status !== 403) throw error;
    if (currentRound() === sent) await expired();
  }
  return attempt();
}

export const api = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? '' : location.origin,
  fetch: (request) => withSession(request),
});

/** Sends a request that the typed client can't with the same session. */
export async function raw(url: string, init?: RequestInit): Promise<Response> {
  const response = await withSession(new Request(new URL(url, location.origin), init));
  if (!response.ok) throw problem(await response.json().catch(() => null), response);
  return response;
}

/** The data of an answer, or the problem thrown. */
export async function ok<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw problem(error, response);
  return data as T;
}

/** The header for a write that must meet this version. */
export const ifMatch = (version: number) => ({ 'If-Match': `"${version}"` });
