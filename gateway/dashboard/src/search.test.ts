import { expect, it } from 'vitest';
import { safeNext } from './search';

it('after signing in nobody is led to another site', () => {
  expect(safeNext('/leads?lead=1')).toBe('/leads?lead=1');
  for (const bad of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '',
    7,
    undefined,
  ])
    expect(safeNext(bad)).toBeUndefined();
});
