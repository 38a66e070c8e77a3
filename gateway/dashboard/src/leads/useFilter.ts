import { getRouteApi } from '@tanstack/react-router';
import { type LeadFilter, parseFilter } from './filter';

const route = getRouteApi('/app/leads');

/** The filter in the address, and the way to change it. */
export function useFilter() {
  const filter: LeadFilter = parseFilter(route.useSearch() as Record<string, unknown>);
  const navigate = route.useNavigate();
  return {
    filter,
    set: (patch: Partial<LeadFilter>) =>
      void navigate({ search: (old) => ({ ...old, ...patch }), replace: true, resetScroll: false }),
    replace: (next: LeadFilter) => void navigate({ to: '/leads', search: next }),
  };
}
