/** One event of a text/event-stream. */
export interface ServerEvent {
  id: string | undefined;
  type: string;
  data: string;
}

/**
 * Reads a stream of Server-Sent Events as the HTML standard has it (LF, CRLF and CR; comments; several data lines).
 * `EventSource` can't send an Authorization header, so the stream is fetched and read here.
 */
export async function* events(
  body: ReadableStream<Uint8Array>,
  alive: () => void = () => {},
): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  let id: string | undefined;
  let type = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      rest += value;
      for (;;) {
        const end = /\r\n|\n|\r/.exec(rest);
        // A CR at the end of what has come may be half of a CRLF.
        if (!end || (end[0] === '\r' && end.index === rest.length - 1)) break;
        const line = rest.slice(0, end.index);
        rest = rest.slice(end.index + end[0].length);
        if (line === '') {
          if (data.length) yield { id, type: type || 'message', data: data.join('\n') };
          type = '';
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        if (colon === 0) continue;
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'data') data.push(text);
        else if (field === 'event') type = text;
        else if (field === 'id' && !text.includes('\0')) id = text;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
