import { days } from '../time/format';
import { t } from '../words';
import type { View } from './view';

/** Which leads a chart counts, in words. `by`: the choices of other charts that filter it. */
export function scopeName(view: View, by?: 'source' | 'status' | 'both'): string {
  const { source, status } = view.search;
  const chosen = [
    by !== 'status' && by !== undefined && source ? t(`source.${source}`) : '',
    by !== 'source' && by !== undefined && status ? t(`status.${status}`) : '',
  ]
    .filter(Boolean)
    .join(', ');
  const when = view.zoom
    ? t('scope.created', { range: days(view.zoom.from, view.zoom.to, { day: 'numeric', month: 'short' }) })
    : t('scope.all');
  return chosen ? `${chosen}, ${when.toLowerCase()}` : when;
}
