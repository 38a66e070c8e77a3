import { expect, it } from 'vitest';
import { problem } from './problem';

it('a 422 tells every bad field, the first word on each', () => {
  const error = problem(
    {
      title: 'Some fields can’t be accepted',
      status: 422,
      detail: '2 fields',
      requestId: 'r1',
      errors: [
        { field: 'name', message: 'is required' },
        { field: 'email', message: 'must be an address' },
        { field: 'name', message: 'is too long' },
      ],
    },
    new Response(null, { status: 422 }),
  );
  expect(error.fields).toEqual({ name: 'Is required', email: 'Must be an address' });
  expect([error.status, error.requestId]).toEqual([422, 'r1']);
});
it('a proxy’s page is an error too', () => {
  const error = problem(
    null,
    new Response('<html>', { status: 502, statusText: 'Bad Gateway', headers: { 'Retry-After': '3' } }),
  );
  expect([error.status, error.message, error.retryAfter]).toEqual([502, '502 Bad Gateway', 3]);
});
