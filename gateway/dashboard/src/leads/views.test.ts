import { expect, it } from 'vitest';
import { dropView, readViews, saveView } from './views';

const names = (workspace: string) => readViews(workspace).map((view) => view.name);

it('a view that was deleted comes back in its place', () => {
  for (const name of ['One', 'Two', 'Three']) saveView('w1', { name, filter: {} });
  const back = dropView('w1', 'Two');
  expect(names('w1')).toEqual(['One', 'Three']);
  back();
  expect(names('w1')).toEqual(['One', 'Two', 'Three']);
});
it('a view that was saved over another gives it back', () => {
  saveView('w2', { name: 'Mine', filter: { owner: 'me' } });
  const back = saveView('w2', { name: 'Mine', filter: { owner: 'none' } });
  expect(readViews('w2')).toEqual([{ name: 'Mine', filter: { owner: 'none' } }]);
  back();
  expect(readViews('w2')).toEqual([{ name: 'Mine', filter: { owner: 'me' } }]);
});
it('what was saved meanwhile stays when another is given back', () => {
  for (const name of ['One', 'Two']) saveView('w5', { name, filter: {} });
  const back = dropView('w5', 'One');
  saveView('w5', { name: 'Three', filter: {} });
  back();
  expect(names('w5')).toEqual(['One', 'Two', 'Three']);
});
it('each workspace has its own', () => {
  saveView('w3', { name: 'Here', filter: {} });
  expect(names('w4')).toEqual([]);
});
