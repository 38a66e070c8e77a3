import { getRouteApi } from '@tanstack/react-router';
import type { Interval } from '../api/model';
import type { LeadFilter } from '../leads/filter';
import type { DashboardSearch } from '../router';
import { useMe } from '../shell/me';
import { useNow } from '../time/now';
import { intervalFor, type Range, windowOf } from '../time/range';
import { type Day, dayOf } from '../time/zone';

const route = getRouteApi('/app/');

export interface View {
  search: DashboardSearch;
  interval: Interval;
  /** The days that were zoomed into, if any. */
  zoom: Range | undefined;
  /** What the chart of creations shows. */
  window: Range;
  /** The interval of its buckets. */
  step: Interval;
  today: Day;
  zone: string;
  /** The leads that the chips mean. */
  filter: LeadFilter;
  filtered: boolean;
  set: (patch: Partial<DashboardSearch>) => void;
  open: (filter: LeadFilter) => void;
}

/** What of the figures is shown, read from the address and written to it. */
export function useView(): View {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const zone = useMe().workspace.timezone;
  const today = dayOf(useNow(), zone);
  const interval = search.interval ?? 'day';
  const zoom = search.from && search.to ? { from: search.from, to: search.to } : undefined;
  return {
    search,
    interval,
    zoom,
    window: zoom ?? windowOf(interval, today),
    step: zoom ? intervalFor(zoom) : interval,
    today,
    zone,
    filter: {
      ...(search.status ? { status: [search.status] } : {}),
      ...(search.source ? { source: [search.source] } : {}),
      ...(zoom ? { createdFrom: zoom.from, createdTo: zoom.to } : {}),
    },
    filtered: Boolean(search.status ?? search.source ?? zoom),
    set: (patch) => void navigate({ search: (old) => ({ ...old, ...patch }), replace: true, resetScroll: false }),
    open: (filter) => void navigate({ to: '/leads', search: filter }),
  };
}
