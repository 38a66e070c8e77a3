import { expect, it } from 'vitest';
import { csv } from './download';

it('a table for a spreadsheet has no formula in it, and numbers stay numbers', () => {
  const text = csv([
    ['Name', 'n'],
    ['=HYPERLINK("x")', 3],
    ['-12 %', -4],
    ['Larsen, Ada', 0],
  ]);
  expect(text).toBe('\uFEFFName,n\r\n"\'=HYPERLINK(""x"")",3\r\n-12 %,-4\r\n"Larsen, Ada",0\r\n');
});
