import type { DashboardData } from '../api/model';
import type { Key } from '../words';

/** The greeting for an hour of the day. */
export const greeting = (hour: number): Key =>
  hour < 5 ? 'hero.evening' : hour < 12 ? 'hero.morning' : hour < 18 ? 'hero.afternoon' : 'hero.evening';

// Below this, one lucky lead would make a source the best.
const ENOUGH = 10;

/** The source with the largest converted share, among those that have brought enough to say so. */
export function bestSource<S extends DashboardData['bySource']['items'][number]>(items: S[]): S | undefined {
  return items
    .filter((item) => item.count >= ENOUGH && item.converted > 0)
    .sort((a, b) => b.converted / b.count - a.converted / a.count)[0];
}
