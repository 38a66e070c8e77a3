import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Import, OnDuplicate } from '../api/model';
import { importOver, type Mapping, startImport } from './queries';

// Choices are made one after the other: the server is asked when they rest.
const REST_MS = 350;

const numbers = new WeakMap<File, number>();
let next = 0;
/** What tells a file from any other that this page has seen. */
function numberOf(file: File): number {
  const known = numbers.get(file) ?? (next += 1);
  numbers.set(file, known);
  return known;
}

/** What would become of a file, as the server says; asked again with every choice. */
export function useDryRun(file: File, mapping: Mapping, onDuplicate: OnDuplicate) {
  const query = useQuery({
    queryKey: ['dry-run', numberOf(file), mapping, onDuplicate],
    queryFn: async ({ signal }) => {
      await new Promise((go) => setTimeout(go, REST_MS));
      signal.throwIfAborted();
      const { id } = await startImport(file, { mapping, onDuplicate, dryRun: true }, { signal });
      return importOver(id, signal);
    },
    retry: false,
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
  // The last answer stays until there is another: what was shown is what is being corrected.
  const [told, setTold] = useState<Import>();
  if (query.data && query.data !== told) setTold(query.data);
  return { told, busy: query.isFetching, fault: query.error, again: () => void query.refetch() };
}
