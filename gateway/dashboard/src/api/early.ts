/** What `first.js` has asked for while the page's code was on its way. */
interface Early {
  refresh?: Promise<Response>;
  answers: Record<string, Promise<Response>>;
  /** When, by this machine's clock. */
  at: number;
}
declare global {
  interface Window {
    leadline?: Early;
  }
}
// Later than this, nobody waits for it any more: what it says may be old.
const GOOD_MS = 30_000;

const early = (): Early | undefined => {
  const asked = typeof window === 'undefined' ? undefined : window.leadline;
  return asked && Date.now() - asked.at < GOOD_MS ? asked : undefined;
};

/** The good answer to the first renewal of the session, once; nothing if there is none: whoever asks again hears why. */
export async function earlyRefresh(): Promise<Response | undefined> {
  const asked = early();
  const answer = asked?.refresh;
  delete asked?.refresh;
  const response = await answer?.catch(() => undefined);
  return response?.ok ? response : undefined;
}

/** The good answer to a request that was made early, once. */
export async function earlyAnswer(url: string): Promise<Response | undefined> {
  const asked = early();
  const { pathname, search } = new URL(url);
  const answer = asked?.answers[pathname + search];
  if (!asked || !answer) return undefined;
  delete asked.answers[pathname + search];
  const response = await answer.catch(() => undefined);
  return response?.ok ? response : undefined;
}

/** Since when the page may know things: from then on, what happens must be told to it. */
export const knownSince = () => early()?.at ?? Date.now();
