import { withSession } from '../api/client';
import { ApiError, problem } from '../api/problem';

/** A file may take so long; the server looks that it comes on. */
const MOST_MS = 60 * 60_000;

/** How much of a file has left this machine. */
export interface Sent {
  bytes: number;
  of: number;
}

/**
 * Sends one form. `fetch` does not tell how far a body is; the older way does.
 * What a browser sends along by itself is the same as with `fetch`.
 */
function send(request: Request, form: FormData, told: (sent: Sent) => void): Promise<Response> {
  return new Promise((go, stop) => {
    const call = new XMLHttpRequest();
    call.open('POST', request.url);
    for (const [name, value] of request.headers) call.setRequestHeader(name, value);
    call.timeout = MOST_MS;
    const abort = () => call.abort();
    request.signal.addEventListener('abort', abort, { once: true });
    call.upload.addEventListener('progress', ({ loaded, total }) => told({ bytes: loaded, of: total }));
    call.addEventListener('abort', () => stop(request.signal.reason));
    for (const kind of ['error', 'timeout'])
      call.addEventListener(kind, () => stop(new ApiError(0, 'The server can’t be reached')));
    call.addEventListener('load', () => {
      const headers = new Headers();
      for (const name of ['Content-Type', 'Retry-After', 'X-Request-Id']) {
        const value = call.getResponseHeader(name);
        if (value) headers.set(name, value);
      }
      go(new Response(call.responseText, { status: call.status, headers }));
    });
    call.addEventListener('loadend', () => request.signal.removeEventListener('abort', abort));
    if (request.signal.aborted) stop(request.signal.reason);
    else call.send(form);
  });
}

/** Sends a form with a file in it, with the session of the page, and tells how far it is. */
export async function upload(
  url: string,
  form: FormData,
  { signal, told = () => undefined }: { signal?: AbortSignal | undefined; told?: (sent: Sent) => void },
): Promise<Response> {
  const request = new Request(new URL(url, location.origin), { method: 'POST', signal: signal ?? null });
  const response = await withSession(request, (attempt) => send(attempt, form, told));
  if (!response.ok) throw problem(await response.json().catch(() => null), response);
  return response;
}
