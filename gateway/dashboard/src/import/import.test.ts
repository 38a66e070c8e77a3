import { describe, expect, it } from 'vitest';
import { decode, delimiterOf, distinctHeaders, look, parse } from './csv';

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
      file: expect.any(File),
      headers: ['Name', 'Mail'],
      rows: [['Ada', 'a@b.example']],
      head: null,
    });
    expect(await seen('Name;Mail\n\n')).toBe('empty');
    expect(await seen('')).toBe('empty');
    expect(await seen('PK\u0003\u0004')).toBeNull();
  });
  it('has a name for each column, and nothing else of the file is changed', async () => {
    const told = async (...parts: BlobPart[]) => {
      const found = await seen(...parts);
      if (found === null || found === 'empty') throw new Error('nothing seen');
      return { headers: found.headers, text: decode(new Uint8Array(await found.file.arrayBuffer())) };
    };
    expect(await told('\uFEFFName,Phone,"phone ",Phone\r\nAda,1,"2,2",3\r\n')).toEqual({
      headers: ['Name', 'Phone', 'phone  (2)', 'Phone (3)'],
      text: 'Name,Phone,"phone  (2)",Phone (3)\r\nAda,1,"2,2",3\r\n',
    });
    // Empty rows above are no headers; the letters of Windows-1252 stay as they are.
    expect(await told(';;\n\nName;T', Uint8Array.of(0xe9), 'l;T', Uint8Array.of(0xe9), 'l\nAda;1;2\n')).toEqual({
      headers: ['Name', 'Tél', 'Tél (2)'],
      text: ';;\n\nName;Tél;Tél (2)\nAda;1;2\n',
    });
    const bytes = new TextEncoder().encode('Name,Phone\nAda,Ada\n');
    expect(distinctHeaders(bytes, ',')).toBeNull();
    expect(distinctHeaders(new Uint8Array(), ',')).toBeNull();
  });
  it('is whole rows of a large file', async () => {
    const large = await seen(`Name\n${'a lead of a large file\n'.repeat(400_000)}`);
    if (large === null || large === 'empty' || !large.head) throw new Error('not large');
    expect(large.rows).toHaveLength(20);
    expect(large.head.size).toBeLessThan(400_001);
    expect((await large.head.text()).endsWith('file\n')).toBe(true);
  });
});
