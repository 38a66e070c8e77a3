import { afterEach, expect, it } from 'vitest';
import { chosenFrom, neighbour, setOrder } from './order';

afterEach(() => chosenFrom([]));

it('a lead’s neighbours are those of the list that shows it', () => {
  const away = [setOrder(['a', 'b', 'c']), setOrder(['d', 'e'])];
  expect([neighbour('b', -1), neighbour('b', 1)]).toEqual(['a', 'c']);
  expect([neighbour('d', -1), neighbour('d', 1)]).toEqual([undefined, 'e']);
  expect(neighbour('c', 1)).toBeUndefined();
  for (const leave of away) leave();
});
it('a page that is left takes its order along, and only its own', () => {
  const leave = setOrder(['a', 'b']);
  const other = setOrder(['b', 'c']);
  leave();
  expect(neighbour('a', 1)).toBeUndefined();
  expect(neighbour('b', 1)).toBe('c');
  other();
  expect(neighbour('b', 1)).toBeUndefined();
});
it('the list that a lead was chosen from comes before others that show it too', () => {
  const leave = setOrder(['a', 'b']);
  chosenFrom(['b', 'x']);
  expect(neighbour('b', 1)).toBe('x');
  expect(neighbour('a', 1)).toBe('b');
  leave();
});
