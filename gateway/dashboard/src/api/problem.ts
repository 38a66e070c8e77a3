import { said } from '../words';
import type { Problem } from './model';

/** What the server (or the way to it) answered instead of what was asked for. */
export class ApiError extends Error {
  /** The HTTP status; 0 when no answer came at all. */
  readonly status: number;
  /** What is wrong with which field, one message a field. */
  readonly fields: Readonly<Record<string, string>>;
  /** The id under which the server logged the request. */
  readonly requestId: string | undefined;
  /** Seconds to wait, if the server said so. */
  readonly retryAfter: number | undefined;
  /** What kind of problem it is: the last word of its type. */
  readonly kind: string | undefined;

  constructor(
    status: number,
    message: string,
    fields: Record<string, string> = {},
    requestId?: string,
    retryAfter?: number,
    kind?: string,
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.fields = fields;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
    this.kind = kind;
  }

  /** Whether the request may never have reached the server. */
  get offline() {
    return this.status === 0;
  }
}

/** Reads RFC 9457 problem details; anything else (a proxy's page, say) becomes an error with what is known. */
export function problem(body: unknown, response: Response): ApiError {
  const known = typeof body === 'object' && body !== null ? (body as Partial<Problem>) : {};
  const fields: Record<string, string> = {};
  for (const { field, message } of known.errors ?? []) {
    const text = said(message);
    fields[field] ??= text.charAt(0).toUpperCase() + text.slice(1);
  }
  const detail = known.detail ?? known.title;
  const wait = Number(response.headers.get('Retry-After'));
  return new ApiError(
    response.status,
    detail === undefined ? `${response.status} ${response.statusText}`.trim() : said(detail),
    fields,
    known.requestId ?? response.headers.get('X-Request-Id') ?? undefined,
    Number.isFinite(wait) && wait > 0 ? wait : undefined,
    known.type?.split('/').pop(),
  );
}
