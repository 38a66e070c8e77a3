import { describe, expect, it } from 'vitest';
import { decode, delimiterOf, look, parse } from './csv';

describe('a file', () => {
  it('is read with quotes, line ends of every kind, and empty lines left out', () => {
    expect(parse('\uFEFFName,Note\r\n"Larsen, Ada","said ""yes""\r\ntwice"\r\n\r\nLuca,\n', ',')).toEqual([
      ['Name', 'Note'],
      ['Larsen, Ada', 'said "yes"\r\ntwice'],
      ['Luca', ''],
    ]);
    expect(parse('a;b\rc;d', ';')).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(parse('a\nb\nc', ',', 2)).toEqual([['a'], ['b']]);
  });
  it('tells its delimiter by its first line, outside of quotes', () => {
    expect(delimiterOf('"a,b,c";d;e\n1,2,3,4,5')).toBe(';');
    expect(delimiterOf('a\tb\n')).toBe('\t');
    expect(delimiterOf('name')).toBe(',');
  });
  it('is UTF-8, or else Windows-1252', () => {
    expect(decode(new TextEncoder().encode('Zoë'))).toBe('Zoë');
    expect(decode(Uint8Array.of(0x5a, 0x6f, 0xeb))).toBe('Zoë');
  });
});

describe('what a file shows at once', () => {
  const seen = (...parts: BlobPart[]) => look(new File(parts, 'leads.csv'));
  it('is its header and its first rows', async () => {
    expect(await seen('Name;Mail\nAda;a@b.example\n')).toEqual({
      headers: ['Name', 'Mail'],
      rows: [['Ada', 'a@b.example']],
      head: null,
    });
    expect(await seen('Name;Mail\n\n')).toBe('empty');
    expect(await seen('')).toBe('empty');
    expect(await seen('PK\u0003\u0004')).toBeNull();
  });
  it('is whole rows of a large file', async () => {
    const large = await seen(`Name\n${'a lead of a large file\n'.repeat(400_000)}`);
    if (large === null || large === 'empty' || !large.head) throw new Error('not large');
    expect(large.rows).toHaveLength(20);
    expect(large.head.size).toBeLessThan(400_001);
    expect((await large.head.text()).endsWith('file\n')).toBe(true);
  });
});
