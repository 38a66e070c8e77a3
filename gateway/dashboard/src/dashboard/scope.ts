import { days } from '../time/format';
import { t } from '../words';
import type { View } from './view';

/** Which leads a chart counts, in words. `by`: the choice of another chart that filters it. */
export function scopeName(view: View, by?: 'source' | 'status'): string {
  const chosen =
    by === 'source'
      ? view.search.source && t(`source.${view.search.source}`)
      : by === 'status'
        ? view.search.status && t(`status.${view.search.status}`)
        : undefined;
  const when = view.zoom
    ? t('scope.created', { range: days(view.zoom.from, view.zoom.to, { day: 'numeric', month: 'short' }) })
    : t('scope.all');
  return chosen ? `${chosen}, ${when.toLowerCase()}` : when;
}
