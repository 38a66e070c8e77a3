import { QueryClient } from '@tanstack/react-query';
import { ApiError } from './api/problem';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      gcTime: 10 * 60_000,
      // What the server has refused it will refuse again; what did not arrive may arrive.
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.offline || error.status >= 500),
      retryDelay: (count, error) =>
        error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 500 * 2 ** count,
    },
  },
});
