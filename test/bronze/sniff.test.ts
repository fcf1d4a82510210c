import { mkdtemp, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flowHeader, type Sniffed, sniff } from '../../src/bronze/sniff.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sniff-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function sniffed(content: string | Uint8Array, name = 'log'): Promise<Sniffed> {
  const path = join(folder, name);
  await writeFile(path, content);
  return sniff(path, (await stat(path)).size);
}

const document = { kind: 'json', layout: 'document' };
const lines = { kind: 'json', layout: 'lines' };
const long = 'x'.repeat(70_000);
const v2 = 'version account-id interface-id srcaddr dstaddr\n';
const noise = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 0xff));

describe('the shape of a file', () => {
  it.each<[string, string | Uint8Array, object]>([
    ['lines of JSON', '{"a":1}\n{"a":2}\n', lines],
    ['a line of Records followed by another', '{"Records":[{"a":1}]}\n{"Records":[]}\n', lines],
    ['lines of JSON after blank ones', '\r\n \n{"a":1}\r\n{"a":2}', lines],
    ['one line of JSON', '{"Records":[{"a":1}]}', lines],
    ['lines of JSON, more than 64 kB of them', '{"a":1}\n'.repeat(20_000), lines],
    ['lines of JSON of which a later one is damaged', '{"a":1}\n{"a":\n', lines],
    ['a pretty document', '{\n  "Records": []\n}\n', document],
    [
      'a document whose first line is longer than what is read',
      `{"Records":[{"a":"${long}"}]}\n{"Records":[]}\n`,
      document,
    ],
    ['an array over several lines', '[\n{"a":1},\n{"a":2}\n]', document],
    ['several values on a line', '{"a":1}{"a":2}\n', document],
    ['a first line cut short', '{"a":1\n{"a":2}\n', document],
    [
      'a flow log with a header',
      `${v2}2 123456789012 eni-1 192.0.2.1 192.0.2.2\n`,
      { kind: 'text', header: ['version', 'account_id', 'interface_id', 'srcaddr', 'dstaddr'] },
    ],
    [
      'a flow log with the same header twice',
      v2 + v2,
      { kind: 'text', header: ['version', 'account_id', 'interface_id', 'srcaddr', 'dstaddr'] },
    ],
    [
      'a header with underscores, blanks and a carriage return',
      'INTERFACE_ID  log_status \r\neni-1 OK\r\n',
      { kind: 'text', header: ['interface_id', 'log_status'] },
    ],
    ['a flow log without a header', '2 123456789012 eni-1 192.0.2.1\n', { kind: 'text', header: undefined }],
    [
      'a flow log with another header later',
      `${v2}2 1 eni-1 - -\nversion bytes\n3 4\n`,
      { kind: 'odd', why: 'several headers' },
    ],
    ['a flow log with a header after its first line', '2 1\nversion bytes\n', { kind: 'odd', why: 'several headers' }],
    ['text without an end of line', long, { kind: 'odd', why: 'first line longer than 64 kB' }],
    ['encrypted Parquet', 'PARE....PARE', { kind: 'odd', why: 'encrypted Parquet: decrypt it' }],
    [
      'zstd',
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2]),
      { kind: 'odd', why: 'compressed with zstd: unpack it, for only plain and gzip files are read' },
    ],
    ['nothing', '', { kind: 'empty' }],
    ['blanks', ' \n\r\n\t', { kind: 'empty' }],
    ['a byte order mark alone', '\ufeff', { kind: 'empty' }],
    ['many blanks', ' '.repeat(70_000), { kind: 'odd', why: 'blank for the first 64 kB' }],
    ['UTF-8 with a byte order mark', '\ufeff{"a":1}', { kind: 'odd', why: 'byte order mark' }],
    ['UTF-16LE', Buffer.from('\ufeff{"a":1}', 'utf16le'), { kind: 'odd', why: 'UTF-16LE' }],
    ['UTF-16BE', Buffer.from('\ufeff{"a":1}', 'utf16le').swap16(), { kind: 'odd', why: 'UTF-16BE' }],
    ['UTF-16 without a mark', Buffer.from('{"a":1}', 'utf16le'), { kind: 'odd', why: 'UTF-16LE' }],
    ['invalid UTF-8', Buffer.from('{"a":"\xff"}', 'latin1'), { kind: 'odd', why: 'invalid UTF-8' }],
    ['a character cut at 64 kB', `{"a":"${'é'.repeat(40_000)}"}`, document],
    ['unknown binary', Buffer.from([1, 2, 3, 4, 5, 6]), { kind: 'odd', why: 'control characters' }],
  ])('%s', async (_, content, shape) => {
    const bytes = Buffer.from(content as Uint8Array);
    expect(await sniffed(bytes)).toEqual({ shape, gzip: false, inflatedBytes: bytes.length });
    expect(await sniffed(gzipSync(bytes))).toMatchObject({ shape, gzip: true });
  });
});

it('knows Parquet, and Parquet that somebody compressed', async () => {
  expect(await sniffed('PAR1....PAR1')).toEqual({ shape: { kind: 'parquet' }, gzip: false, inflatedBytes: 12 });
  expect((await sniffed(gzipSync('PAR1....PAR1'))).shape).toMatchObject({
    why: expect.stringMatching(/^Parquet inside gzip/),
  });
});

describe('gzip', () => {
  const text = '{"a":1}\n';
  const badChecksum = gzipSync(text);
  badChecksum.writeUInt32LE(0, badChecksum.length - 8);

  it('is known by its first bytes and not by its name', async () => {
    expect(await sniffed(text, 'plain.json.gz')).toEqual({ shape: lines, gzip: false, inflatedBytes: 8 });
    expect(await sniffed(gzipSync(text), 'packed.json')).toEqual({ shape: lines, gzip: true, inflatedBytes: 8 });
  });

  it('has the exact size of small files of several members, and of large files of one', async () => {
    expect(await sniffed(Buffer.concat([gzipSync(text), gzipSync(text)]))).toEqual({
      shape: lines,
      gzip: true,
      inflatedBytes: 16,
    });
    const large = `{"a":"${noise.toString('base64')}"}\n`;
    expect((await sniffed(gzipSync(large.repeat(3)))).inflatedBytes).toBe(large.length * 3);
    expect((await sniffed(gzipSync(text.repeat(1e6)))).inflatedBytes).toBe(8e6);
  });

  it('estimates the size of large files of several members, or cut ones, within a factor of four', async () => {
    const part = gzipSync(Array.from({ length: 30_000 }, (_, n) => `{"n":${n},"x":${(n * 7919) % 10_007}}\n`).join(''));
    const size = part.readUInt32LE(part.length - 4);
    for (const [content, actual] of [
      [Buffer.concat(Array.from({ length: 8 }, () => part)), size * 8],
      [Buffer.concat([part, gzipSync(text)]), size + 8],
      [part.subarray(0, -3), size],
    ] as const) {
      const { inflatedBytes } = await sniffed(content);
      expect(inflatedBytes).toBeGreaterThan(actual / 4);
      expect(inflatedBytes).toBeLessThan(actual * 4);
    }
  });

  it.each<[string, Uint8Array, string]>([
    ['cut short', gzipSync(text).subarray(0, -9), 'gzip: unexpected end of file'],
    ['with a wrong checksum', badChecksum, 'gzip: incorrect data check'],
    ['followed by garbage', Buffer.concat([gzipSync(text), Buffer.from('garbage')]), 'gzip: incorrect header check'],
    [
      'padded with zeros, which DuckDB refuses',
      Buffer.concat([gzipSync(text), Buffer.alloc(512)]),
      'gzip: trailing garbage',
    ],
    ['inside gzip', gzipSync(gzipSync(text)), 'gzip inside gzip'],
    [
      'in its first bytes only',
      Buffer.from([0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
      'gzip: unknown compression method',
    ],
  ])('%s must be decoded', async (_, content, why) => {
    expect(await sniffed(content)).toMatchObject({ shape: { kind: 'odd', why }, gzip: true });
  });
});

it('finds the shape of a file that is far larger than what is read', async () => {
  const path = join(folder, 'sparse');
  await writeFile(path, '{"a":1}\n'.repeat(10_000));
  await truncate(path, 20e9);
  expect(await sniff(path, 20e9)).toEqual({ shape: lines, gzip: false, inflatedBytes: 20e9 });
});

it('throws the errors of the file system', async () => {
  await expect(sniff(join(folder, 'missing'), 1)).rejects.toThrow('ENOENT');
  await expect(sniff(folder, 1)).rejects.toThrow('EISDIR');
});

it('tells header lines from data', () => {
  expect(flowHeader('version')).toEqual(['version']);
  expect(flowHeader('action pkt-srcaddr some-new-field')).toEqual(['action', 'pkt_srcaddr', 'some_new_field']);
  for (const line of [
    '2 version',
    '- - - NODATA',
    'ACCEPT OK',
    'unknown eni-0abc',
    '',
    'srcaddr,dstaddr',
    '{"version":1}',
  ])
    expect(flowHeader(line)).toBeUndefined();
});
