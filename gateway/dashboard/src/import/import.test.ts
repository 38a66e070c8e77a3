import { describe, expect, it } from 'vitest';
import { decode, delimiterOf, parse } from './csv';
import { fault, guess } from './mapping';

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

it('columns are known by their names and common synonyms, each meaning once', () => {
  expect(guess(['Full Name', 'E-mail', 'Mobile', 'Organisation', 'Stage', 'Firma', 'Zuständig', 'Shoe size'])).toEqual([
    'name',
    'email',
    'phone',
    'company',
    'status',
    null,
    'owner',
    null,
  ]);
});
it('a cell’s fault is named where this side can tell', () => {
  expect(fault('name', '  ')).not.toBeNull();
  expect(fault('email', 'nobody')).not.toBeNull();
  expect(fault('email', '')).toBeNull();
  expect(fault('status', 'qualified')).toBeNull();
  expect(fault('status', 'Open')).not.toBeNull();
});
