import { useSyncExternalStore } from 'react';

const narrow = matchMedia('(max-width: 767px)');
/** Whether the page is as narrow as a phone. */
export const useNarrow = () =>
  useSyncExternalStore(
    (tell) => {
      narrow.addEventListener('change', tell);
      return () => narrow.removeEventListener('change', tell);
    },
    () => narrow.matches,
  );
