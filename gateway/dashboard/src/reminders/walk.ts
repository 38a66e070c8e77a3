import type { InfiniteData } from '@tanstack/react-query';
import type { Reminder, ReminderPage } from '../api/model';

type Pages = InfiniteData<ReminderPage, unknown> | undefined;
/** What was put off in a walk, with when it was due before. */
export type PutOff = ReadonlyMap<string, string>;

/**
 * What waits in the lists, each once. What was done leaves them by itself and comes back by itself when it is undone; what was
 * put off may still be due today: it stays away until it is due again when it was.
 */
export function waitingIn(lists: Pages[], passed: ReadonlySet<string>, putOff: PutOff): Reminder[] {
  const seen = new Set<string>();
  return lists
    .flatMap((list) => list?.pages.flatMap((page) => page.items) ?? [])
    .filter(
      ({ id, status, dueAt }) =>
        status === 'pending' &&
        !passed.has(id) &&
        (putOff.get(id) ?? dueAt) === dueAt &&
        !seen.has(id) &&
        Boolean(seen.add(id)),
    );
}

/** How many of a list have not been loaded. */
export function beyond(list: Pages): number {
  const loaded = list?.pages.reduce((sum, page) => sum + page.items.length, 0) ?? 0;
  return list?.pages.at(-1)?.nextCursor ? Math.max(0, (list.pages[0]?.total.value ?? 0) - loaded) : 0;
}
