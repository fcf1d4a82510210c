import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Decoded,
  type DecodeOptions,
  decode,
  decodeBytes,
  decodeToNdjson,
  type Open,
} from '../../src/bronze/decode.ts';

fc.configureGlobal({ interruptAfterTimeLimit: 30_000 });

type Content = string | Uint8Array;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'decode-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(content: Content): Promise<string> {
  const path = join(folder, `${files++}.log`);
  await writeFile(path, content);
  return path;
}

async function all(items: AsyncIterable<Decoded>): Promise<Decoded[]> {
  const found: Decoded[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function decodeFile(content: Content, options: Partial<DecodeOptions> = {}): Promise<Decoded[]> {
  return all(decode(await file(content), { kind: 'json', ...options }));
}

function chunked(content: Content, size: number): Open {
  const bytes = Buffer.from(content as Uint8Array);
  return async function* (from) {
    for (let i = from; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  };
}

function decodeChunks(content: Content, size: number, options: Partial<DecodeOptions> = {}): Promise<Decoded[]> {
  return all(decodeBytes(chunked(content, size), { kind: 'json', ...options }));
}

/** Records as their text, rejects as [reason, text]. */
function brief(items: readonly Decoded[]): (string | [string, string])[] {
  return items.map((item) => (item.ok ? item.text : [item.reason, item.text]));
}

function texts(items: readonly Decoded[]): string[] {
  return items.flatMap((item) => (item.ok ? [item.text] : []));
}

const malformed = expect.stringMatching(/^malformed JSON/);
const a = (n: number): string => `{"a":${n}}`;

describe('JSON that is sound', () => {
  it.each<[string, string, string[]]>([
    ['lines', '{"a":1}\n{"a":2}\r\n\n  {"a":3}', [a(1), a(2), a(3)]],
    ['values without anything between them', '{"a":1}{"a":2} {"a":3}', [a(1), a(2), a(3)]],
    ['lines that end in commas', '{"a":1},\n{"a":2},\n', [a(1), a(2)]],
    ['pretty-printed documents in a row', '{\n "a": 1\n}\n{\n "a": 2\n}', ['{\n "a": 1\n}', '{\n "a": 2\n}']],
    ['an array', '[{"a":1}, 2,"x",null,[3,[4]],{}]', [a(1), '2', '"x"', 'null', '[3,[4]]', '{}']],
    ['an empty array and an empty file of Records', '[]\n{"Records":[]}', []],
    ['scalars on lines of their own', '1\n"x"\nnull\n-1.5e3', ['1', '"x"', 'null', '-1.5e3']],
    ['Records between other members', '{"x":[{"a":0}],"Records":[{"a":1},{"a":2}],"y":{"Records":[3]}}', [a(1), a(2)]],
    ['records of Azure', '{"records":[{"a":1}]}', [a(1)]],
    ['Events of LookupEvents', '{"Events":[{"a":1}],"NextToken":"x"}', [a(1)]],
    ['logEvents of CloudWatch', '{"owner":"x","logEvents":[{"id":"1","message":"{}"}]}', ['{"id":"1","message":"{}"}']],
    [
      'Records that are no list',
      '{"Records":{"a":[1]}}\n{"Records":null}',
      ['{"Records":{"a":[1]}}', '{"Records":null}'],
    ],
    ['Records below the top', '{"detail":{"Records":[1]}}', ['{"detail":{"Records":[1]}}']],
    ['the word Records as a value', '{"a":"Records","b":[1]}', ['{"a":"Records","b":[1]}']],
    [
      'brackets and quotes inside strings',
      '{"a":"}]\\"{[\\\\"}{"b":"\\\\\\""}',
      ['{"a":"}]\\"{[\\\\"}', '{"b":"\\\\\\""}'],
    ],
    [
      'numbers beyond 64 bits',
      '{"a":123456789012345678901234567890,"b":1.50}',
      ['{"a":123456789012345678901234567890,"b":1.50}'],
    ],
    ['duplicate keys', '{"a":1,"a":2}', ['{"a":1,"a":2}']],
    ['escaped surrogate pairs', '{"a":"\\ud83d\\ude00 \\\\ud800"}', ['{"a":"\\ud83d\\ude00 \\\\ud800"}']],
    ['nothing', '', []],
    ['blanks', ' \r\n\t\n', []],
  ])('%s: every value, as it was written', async (_, content, expected) => {
    expect(brief(await decodeFile(content))).toEqual(expected);
  });

  it('counts positions from 1, records and rejects together', async () => {
    const items = await decodeFile('{"a":1}\n{"a":}\n{"Records":[{"a":2},{"a":3}]}');
    expect(items.map(({ position, ok }) => [position, ok])).toEqual([
      [1, true],
      [2, false],
      [3, true],
      [4, true],
    ]);
  });
});

describe('JSON that is damaged', () => {
  it.each<[string, string, unknown[]]>([
    ['a line cut short', '{"a":1\n{"a":2}\n', [[malformed, '{"a":1'], a(2)]],
    ['a line cut inside a string', '{"a":"x\n{"a":2}\n', [[malformed, '{"a":"x'], a(2)]],
    ['a line cut after a colon', '{"a":\n{"a":2}\n{"a":3}', [[malformed, '{"a":'], a(2), a(3)]],
    ['a line cut after a bracket', '{"a":[\n{"a":2}\n{"a":3}', [[malformed, '{"a":['], a(2), a(3)]],
    ['a line with a bracket too many', '{"a":1}}\n{"a":2}', [a(1), [malformed, '}'], a(2)]],
    ['the wrong bracket', '{"a":[1}\n{"a":2}', [[malformed, '{"a":[1}'], a(2)]],
    ['a wrong literal', '{"a":tru}{"a":2}', [[malformed, '{"a":tru}'], a(2)]],
    ['text between lines', 'oops: not JSON\n{"a":2}', [[malformed, 'oops: not JSON'], a(2)]],
    ['text after a value', '{"a":1} tail\n{"a":2}', [a(1), [malformed, 'tail'], a(2)]],
    ['a flow log among the lines', '2 123456789012 eni-1\n{"a":2}', [[malformed, '2 123456789012 eni-1'], a(2)]],
    [
      'a pretty document without a comma',
      '{\n "a": 1\n "b": {\n  "c": 1\n }\n}\n{"a":2}',
      [[malformed, '{\n "a": 1\n "b": {\n  "c": 1\n }\n}'], a(2)],
    ],
    ['a NUL in a string', '{"a":"\0"}\n{"a":2}', [[malformed, '{"a":"\0"}'], a(2)]],
    ['NULs after the last line', '{"a":1}\n\0\0\0\0', [a(1), [malformed, '\0\0\0\0']]],
    ['a control character in a string', '[{"a":"\x01"},{"a":2}]', [[malformed, '{"a":"\x01"}'], a(2)]],
    ['a lone surrogate, which DuckDB cannot read', '{"a":"\\ud800"}\n{"a":2}', [[malformed, '{"a":"\\ud800"}'], a(2)]],
    [
      'an element with a wrong literal',
      '{"Records":[{"a":1},{"a":tru},{"a":3}]}',
      [a(1), [malformed, '{"a":tru}'], a(3)],
    ],
    ['an element without a comma', '[{"a":1},{"a":2 "b":3},{"c":4}]', [a(1), [malformed, '{"a":2 "b":3}'], '{"c":4}']],
    [
      'an element that is never closed',
      '[{"a":1},{"a":{"b":2},{"a":3}]\n{"a":4}',
      [a(1), [malformed, '{"a":{"b":2}'], a(3), a(4)],
    ],
    [
      'an element cut inside a string',
      '{"Records":[{"a":1},{"a":"x{"a":3},{"a":4}]}',
      [a(1), [malformed, '{"a":"x'], a(3), a(4)],
    ],
    [
      'an element of an array of lines',
      '[\n{"a":1},\n{"a":2,\n{"a":3}\n]\n[{"a":4}]',
      [a(1), [malformed, '{"a":2'], a(3), a(4)],
    ],
    ['a bracket too many between elements', '[{"a":1}},{"a":2}]', [a(1), [malformed, '}'], a(2)]],
    [
      'a document cut short before the next',
      '{"Records":[{"a":1},{"a":"x\n{"Records":[{"a":3}]}',
      [a(1), [malformed, '{"a":"x'], a(3)],
    ],
    [
      'a document without its last bracket before the next',
      '{"Records":[{"a":1}]\n{"Records":[{"a":2}]}',
      [a(1), [malformed, '{"Records":[]\n'], a(2)],
    ],
    [
      'other members of a file of Records',
      '{"x":tru,"Records":[{"a":1}],"y":2}\n{"a":2}',
      [a(1), [malformed, '{"x":tru,"Records":[],"y":2}'], a(2)],
    ],
    ['the end inside an element', '{"Records":[{"a":1},{"a":{"b":2},"c"', [a(1), ['truncated', '{"a":{"b":2},"c"']]],
    ['the end between elements', '{"Records":[{"a":1},', [a(1), ['truncated', '']]],
    ['the end after the list', '{"Records":[{"a":1}],"x"', [a(1), ['truncated', '{"Records":[],"x"']]],
    ['the end inside the last line', '{"a":1}\n{"a":2', [a(1), ['truncated', '{"a":2']]],
  ])('%s: one reject, and all the rest is there', async (_, content, expected) => {
    expect(brief(await decodeFile(content))).toEqual(expected);
    for (let size = 1; size < Buffer.byteLength(content); size++)
      expect(brief(await decodeChunks(content, size))).toEqual(expected);
  });

  it.each<[string, (list: string[]) => string]>([
    ['lines', (list) => `${list.join('\n')}\n`],
    ['lines of Records', (list) => list.map((text) => `{"Records":[${text}]}\n`).join('')],
    ['an array with a line per element', (list) => `[\n${list.join(',\n')}\n]\n`],
    ['a file of Records, but for its first bytes', (list) => `{"Records":[${list.join()}]}`],
  ])('one flipped byte costs one record at most in %s', async (name, write) => {
    const list = Array.from({ length: 4 }, (_, n) =>
      JSON.stringify({
        eventVersion: '1.08',
        n,
        who: { arn: `x/${n}`, in: [{ b: [1, 2] }, { c: 'x' }] },
        agent: 'curl "x" \\ y',
      }),
    );
    const text = write(list);
    for (let at = name.startsWith('a file') ? '{"Records":[{"eventVersion":'.length : 0; at < text.length; at++) {
      for (const bit of [1, 2, 4, 8, 32, 0x59]) {
        const bytes = Buffer.from(text);
        bytes.writeUInt8(bytes.readUInt8(at) ^ bit, at);
        const found = new Set(texts(await decodeChunks(bytes, 1 << 20)));
        expect(list.filter((record) => !found.has(record)).length, `${bit} at ${at}`).toBeLessThan(2);
      }
    }
  });

  it('rejects deep nesting, balanced or not, and goes on', async () => {
    const deep = '{"a":'.repeat(100_000);
    const content = `${deep}1${'}'.repeat(100_000)}\n${deep}\n[${'['.repeat(100_000)}${']'.repeat(100_000)}]\n{"a":2}\n`;
    const items = await decodeFile(content);
    const reason = 'nested deeper than 1000 levels';
    expect(items.map((item) => (item.ok ? item.text : item.reason))).toEqual([reason, reason, reason, a(2)]);
    const allowed = `${'['.repeat(1001)}${']'.repeat(1001)}`;
    expect(texts(await decodeFile(allowed))).toEqual([allowed.slice(1, -1)]);
  });

  it('rejects a record that is too large with its first 8 kB, and goes on', async () => {
    const large = `{"a":"${'é'.repeat(50_000)}"}`;
    const content = `${large}\n{"a":1}\n{"Records":[${large},{"a":2}],"x":${large}}\n{"a":3}\n"${'x'.repeat(20_000)}"\n4`;
    for (const size of [1000, 1 << 20]) {
      const items = await decodeChunks(content, size, { maxRecordBytes: 10_000 });
      expect(items.map((item) => (item.ok ? item.text : item.reason))).toEqual([
        'record larger than 10000 bytes',
        a(1),
        'record larger than 10000 bytes',
        a(2),
        'record larger than 10000 bytes',
        a(3),
        'record larger than 10000 bytes',
        '4',
      ]);
      for (const { text } of items) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(8192);
      expect(items[0]?.text).toBe(`{"a":"${'é'.repeat(4093)}`);
    }
  });

  it('shows nothing but the record itself when the limit is lower than what is shown', async () => {
    const large = `{"a":"${'x'.repeat(9000)}"}`;
    for (const size of [7, 100, 5000]) {
      const items = await decodeChunks(`${large}\n{"a":1}\n{"b":"${'y'.repeat(200)}`, size, { maxRecordBytes: 100 });
      expect(brief(items)).toEqual([
        ['record larger than 100 bytes', large.slice(0, 8192)],
        a(1),
        ['truncated', `{"b":"${'y'.repeat(200)}`],
      ]);
    }
  });

  it('does not slow down when every line is cut', async () => {
    for (const line of [
      '{"a":[\n',
      '{"Records":[{"a":\n',
      '[[\n',
      '{"a":"x\n',
      '{"Records":[{"a":"x\n',
      '{"Records":[{"a":1}\n',
    ]) {
      const items = await decodeFile(line.repeat(100_000));
      expect(items.length).toBeGreaterThan(0);
    }
  });
});

describe('encodings', () => {
  const text = '{"a":"é€😀"}\n{"a":2}\n';
  const expected = ['{"a":"é€😀"}', a(2)];

  it('removes byte order marks, at the start and where files were joined', async () => {
    expect(brief(await decodeFile(`\ufeff${text}\ufeff{"a":3}`))).toEqual([...expected, a(3)]);
    expect(brief(await decodeFile('\ufeff'))).toEqual([]);
  });

  it('decodes UTF-16 of both byte orders, with a mark and without, at any chunk size', async () => {
    const little = Buffer.from(text, 'utf16le');
    const big = Buffer.from(little).swap16();
    for (const size of [1, 2, 3, 7, 1000]) {
      expect(brief(await decodeChunks(Buffer.concat([Buffer.from([0xff, 0xfe]), little]), size))).toEqual(expected);
      expect(brief(await decodeChunks(Buffer.concat([Buffer.from([0xfe, 0xff]), big]), size))).toEqual(expected);
      expect(brief(await decodeChunks(little, size))).toEqual(expected);
      expect(brief(await decodeChunks(gzipSync(big), size))).toEqual(expected);
    }
  });

  it('rejects the record that holds half a surrogate pair or half a UTF-16 unit', async () => {
    const half = Buffer.from('\ufeff{"a":"\ud83d"}\n{"a":2}\n', 'utf16le');
    expect(brief(await decodeFile(half))).toEqual([['invalid UTF-16', '{"a":"\ufffd\ufffd\ufffd"}'], a(2)]);
    expect(brief(await decodeFile(Buffer.concat([half, Buffer.from('x')])))).toEqual([
      ['invalid UTF-16', '{"a":"\ufffd\ufffd\ufffd"}'],
      a(2),
      ['invalid UTF-16', '\ufffd'],
    ]);
  });

  it('rejects only the record that holds invalid UTF-8, with replacement characters', async () => {
    const bytes = Buffer.from('{"a":1}\n{"a":"\xff"}\n{"Records":[{"a":"\xc3"},{"a":2}]}\n', 'latin1');
    expect(brief(await decodeFile(bytes))).toEqual([
      a(1),
      ['invalid UTF-8', '{"a":"\ufffd"}'],
      ['invalid UTF-8', '{"a":"\ufffd"}'],
      a(2),
    ]);
  });
});

describe('gzip', () => {
  const one = gzipSync('{"a":1}\n');
  const two = gzipSync('{"a":2}\n{"a":');
  const join2 = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

  it('reads several members, known by content and not by name', async () => {
    expect(brief(await decodeFile(join2(one, two, gzipSync('3}'), gzipSync(''))))).toEqual([a(1), a(2), a(3)]);
    const path = join(folder, 'plain.json.gz');
    await writeFile(path, '{"a":1}');
    expect(brief(await all(decode(path, { kind: 'json' })))).toEqual([a(1)]);
  });

  it('passes over padding with zeros, before the end and between members', async () => {
    expect(brief(await decodeFile(join2(one, Buffer.alloc(70_000))))).toEqual([a(1)]);
    expect(brief(await decodeFile(join2(one, Buffer.alloc(70_000), one)))).toEqual([a(1), a(1)]);
  });

  it('rejects trailing garbage', async () => {
    for (const garbage of ['garbage', '\n', '{"a":9}\n'])
      expect(brief(await decodeFile(join2(one, Buffer.from(garbage))))).toEqual([
        a(1),
        ['gzip: trailing garbage', garbage],
      ]);
  });

  it('gives everything before a truncation and then one reject with the text that is left', async () => {
    expect(brief(await decodeFile(join2(one, two.subarray(0, -8))))).toEqual([
      a(1),
      a(2),
      ['gzip: unexpected end of file', '{"a":'],
    ]);
    expect(brief(await decodeFile(one.subarray(0, -1)))).toEqual([a(1), ['gzip: unexpected end of file', '']]);
    expect(brief(await decodeFile(one.subarray(0, 2)))).toEqual([['gzip: unexpected end of file', '']]);
  });

  it('reports a wrong checksum or length and goes on with the next member', async () => {
    for (const back of [8, 1]) {
      const bad = Buffer.from(one);
      bad.writeUInt8((bad.at(-back) ?? 0) ^ 1, bad.length - back);
      expect(brief(await decodeFile(join2(bad, one)))).toEqual([a(1), ['gzip: crc', ''], a(1)]);
      expect(brief(await decodeFile(bad))).toEqual([a(1), ['gzip: crc', '']]);
    }
  });

  it('rejects what only begins like gzip', async () => {
    expect(brief(await decodeFile(Buffer.from([0x1f, 0x8b, 9, 9, 9])))).toEqual([
      ['gzip: unknown compression method', ''],
    ]);
  });

  it('reads gzip inside gzip, as CloudWatch through Firehose makes it', async () => {
    expect(brief(await decodeFile(gzipSync(join2(one, one))))).toEqual([a(1), a(1)]);
    expect(brief(await decodeFile(gzipSync(join2(one, two.subarray(0, -8)))))).toEqual([
      a(1),
      a(2),
      ['gzip: unexpected end of file', '{"a":'],
    ]);
    const items = await decodeFile(gzipSync(gzipSync('{"a":1}\n'.repeat(1000))).subarray(0, -8));
    expect(items.at(-1)).toMatchObject({ ok: false, reason: 'gzip: unexpected end of file' });
    expect(texts(items)).toHaveLength(1000);
  });
});

describe('flow logs', () => {
  const v2 = ['version', 'srcaddr', 'log_status'];

  it('gives each line the header in force, and skips headers and blank lines', async () => {
    const content =
      'Version srcaddr log-status\r\n2 192.0.2.1 OK\r\n\r\n2 192.0.2.2 OK\ninterface-id  bytes\neni-1 5\n  \nversion srcaddr log-status\n- - NODATA';
    for (const size of [1, 2, 5, 1000]) {
      expect(await decodeChunks(content, size, { kind: 'text' })).toEqual([
        { ok: true, position: 1, text: '2 192.0.2.1 OK', header: v2 },
        { ok: true, position: 2, text: '2 192.0.2.2 OK', header: v2 },
        { ok: true, position: 3, text: 'eni-1 5', header: ['interface_id', 'bytes'] },
        { ok: true, position: 4, text: '- - NODATA', header: v2 },
      ]);
    }
  });

  it('has no header until one is known, or starts with the one given', async () => {
    const content = '2 192.0.2.1 OK\nversion srcaddr log-status\n2 192.0.2.2 OK\n';
    const named = { ok: true, position: 2, text: '2 192.0.2.2 OK', header: v2 };
    expect(await decodeFile(content, { kind: 'text' })).toEqual([
      { ok: true, position: 1, text: '2 192.0.2.1 OK' },
      named,
    ]);
    expect(await decodeFile(content, { kind: 'text', header: ['account-id', 'Action'] })).toEqual([
      { ok: true, position: 1, text: '2 192.0.2.1 OK', header: ['account_id', 'action'] },
      named,
    ]);
  });

  it('takes words that are data for data', async () => {
    expect(texts(await decodeFile('ACCEPT OK\nunknown eni-0abc ingress\n', { kind: 'text' }))).toEqual([
      'ACCEPT OK',
      'unknown eni-0abc ingress',
    ]);
  });

  it('rejects lines that are too long, are not UTF-8 or hold control characters', async () => {
    const content = Buffer.from(`2 a\n2 \xff\n${'x'.repeat(20_000)}\n2 \x00\n2 b`, 'latin1');
    for (const size of [1000, 1 << 20]) {
      const items = await decodeChunks(content, size, { kind: 'text', maxRecordBytes: 10_000 });
      expect(brief(items)).toEqual([
        '2 a',
        ['invalid UTF-8', '2 \ufffd'],
        ['record larger than 10000 bytes', 'x'.repeat(8192)],
        ['control character', '2 \0'],
        '2 b',
      ]);
    }
  });

  it('keeps the unfinished line of a truncated gzip apart', async () => {
    const cut = gzipSync('2 a\n2 b', { level: 0 }).subarray(0, -9);
    expect(brief(await decodeFile(cut, { kind: 'text' }))).toEqual(['2 a', ['gzip: unexpected end of file', '2 ']]);
  });

  it('reads UTF-16 and several gzip members with a mark each', async () => {
    const text = '\ufeffversion srcaddr log-status\n2 192.0.2.1 OK\n';
    const expected = [{ ok: true, position: 1, text: '2 192.0.2.1 OK', header: v2 }];
    expect(await decodeFile(Buffer.from(text, 'utf16le'), { kind: 'text' })).toEqual(expected);
    expect(await decodeFile(Buffer.concat([gzipSync(text), gzipSync(text)]), { kind: 'text' })).toEqual([
      ...expected,
      { ...expected[0], position: 2 },
    ]);
  });
});

describe('decodeToNdjson', () => {
  it('writes a line per record and reject', async () => {
    const out = join(folder, 'out.ndjson');
    const json = await file('{"a":"\\n é"}\nx\n');
    expect(await decodeToNdjson(json, out, { kind: 'json' })).toEqual({ records: 1, rejects: 1 });
    expect(await readFile(out, 'utf8')).toBe(
      `{"position":1,"raw":"{\\"a\\":\\"\\\\n é\\"}"}\n{"position":2,"raw":"x","reason":"malformed JSON: Unexpected token 'x'"}\n`,
    );
    const flow = await file('2 0\nversion bytes\n2 1\n2 2\nbytes version\n3 2\n');
    expect(await decodeToNdjson(flow, out, { kind: 'text' })).toEqual({ records: 4, rejects: 0 });
    expect(await readFile(out, 'utf8')).toBe(
      '{"position":1,"raw":"2 0"}\n{"position":2,"raw":"2 1","header":["version","bytes"]}\n{"position":3,"raw":"2 2","header":["version","bytes"]}\n{"position":4,"raw":"3 2","header":["bytes","version"]}\n',
    );
    expect(await decodeToNdjson(await file(''), out, { kind: 'json' })).toEqual({ records: 0, rejects: 0 });
    expect(await readFile(out, 'utf8')).toBe('');
  });

  it('throws the errors of the file system', async () => {
    const out = join(folder, 'never.ndjson');
    await expect(decodeToNdjson(join(folder, 'missing'), out, { kind: 'json' })).rejects.toThrow('ENOENT');
    await expect(decodeToNdjson(folder, out, { kind: 'json' })).rejects.toThrow('EISDIR');
    await expect(decodeToNdjson(await file('1'), join(folder, 'no', 'folder'), { kind: 'json' })).rejects.toThrow(
      'ENOENT',
    );
    await expect(all(decode(join(folder, 'missing'), { kind: 'text' }))).rejects.toThrow('ENOENT');
  });

  it('stops reading when the caller does', async () => {
    for await (const item of decode(await file('{"a":1}\n'.repeat(100_000)), { kind: 'json' })) {
      expect(item).toMatchObject({ position: 1 });
      break;
    }
  });
});

describe('whatever the values', () => {
  const values = fc.array(fc.jsonValue({ stringUnit: 'binary' }), { maxLength: 12 });
  const chunk = fc.constantFrom(1, 2, 3, 7, 64, 100_000);
  const split = ['Records', 'records', 'Events', 'logEvents'];

  function parts(value: unknown): unknown[] {
    if (Array.isArray(value)) return value;
    if (typeof value !== 'object' || value === null) return [value];
    const lists = Object.entries(value).filter(([key, list]) => split.includes(key) && Array.isArray(list));
    return lists.length === 0 ? [value] : lists.flatMap(([, list]) => list);
  }

  interface Layout {
    name: string;
    apart: boolean;
    write(list: unknown[], indent: number): string;
  }
  const layouts: Layout[] = [
    { name: 'lines', apart: true, write: (list) => list.map((value) => `${JSON.stringify(value)}\n`).join('') },
    {
      name: 'documents',
      apart: true,
      write: (list, indent) => list.map((value) => JSON.stringify(value, null, indent)).join('\r\n'),
    },
    { name: 'array', apart: false, write: (list, indent) => JSON.stringify(list, null, indent) },
    {
      name: 'Records',
      apart: false,
      write: (list, indent) => JSON.stringify({ x: { Records: [1] }, Records: list, y: null }, null, indent),
    },
    { name: 'logEvents', apart: false, write: (list, indent) => JSON.stringify({ logEvents: list }, null, indent) },
  ];

  it.each(layouts)(
    '$name, pretty or compact, gzip or plain, give exactly these values in order',
    async ({ apart, write }) => {
      await fc.assert(
        fc.asyncProperty(values, fc.constantFrom(0, 1, 2), fc.boolean(), chunk, async (list, indent, gz, size) => {
          const text = write(list, indent);
          const expected = (apart ? list.flatMap(parts) : list).map((value) => JSON.stringify(value));
          const items = await decodeChunks(gz ? gzipSync(text) : text, size);
          expect(items.filter(({ ok }) => !ok)).toEqual([]);
          expect(texts(items).map((found) => JSON.stringify(JSON.parse(found)))).toEqual(expected);
          if (indent === 0) expect(texts(items)).toEqual(expected);
          expect(items.map(({ position }) => position)).toEqual(expected.map((_, at) => at + 1));
        }),
      );
    },
  );

  const events = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 12 });
  const damage = fc.oneof(
    fc.record({ cut: fc.nat() }),
    fc.record({
      flips: fc.array(fc.record({ at: fc.nat(), to: fc.integer({ min: 1, max: 255 }) }), {
        minLength: 1,
        maxLength: 4,
      }),
    }),
  );
  type Damage = typeof damage extends fc.Arbitrary<infer D> ? D : never;

  /** The damaged bytes, and where the damage begins. */
  function damaged(content: Uint8Array, how: Damage): [bytes: Buffer, from: number] {
    const bytes = Buffer.from(content);
    if ('cut' in how) return [bytes.subarray(0, how.cut % bytes.length), how.cut % bytes.length];
    const places = how.flips.map(({ at }) => at % bytes.length);
    how.flips.forEach(({ to }, i) => {
      const at = places[i] ?? 0;
      bytes.writeUInt8(bytes.readUInt8(at) ^ to, at);
    });
    return [bytes, Math.min(...places)];
  }

  const lines = (list: readonly unknown[]): string => list.map((value) => `${JSON.stringify(value)}\n`).join('');
  const plain = (list: readonly unknown[]): boolean => list.every((value) => parts(value)[0] === value);

  it('damaged lines: never throws, and every line before the damage is there, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(events.filter(plain), damage, chunk, async (list, how, size) => {
        const [bytes, from] = damaged(Buffer.from(lines(list)), how);
        const sound = bytes.subarray(0, from).toString().split('\n').slice(0, -1);
        const items = await decodeChunks(bytes, size);
        expect(texts(items).slice(0, sound.length)).toEqual(sound);
        expect(items).toEqual(await decodeChunks(bytes, bytes.length + 1));
        for (const { text } of items) expect(Buffer.from(text).toString()).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('damaged Records: never throws, and every element before the damage is there', async () => {
    await fc.assert(
      fc.asyncProperty(events, damage, chunk, async (list, how, size) => {
        const written = list.map((value) => JSON.stringify(value));
        const [bytes, from] = damaged(Buffer.from(`{"Records":[${written.join()}]}`), how);
        let end = 11;
        const sound = written.filter((text) => {
          end += Buffer.byteLength(text) + 1;
          return end <= from;
        });
        expect(texts(await decodeChunks(bytes, size)).slice(0, sound.length)).toEqual(sound);
      }),
      { numRuns: 500 },
    );
  });

  it('damaged gzip: never throws, and every line inflated before the damage is there', async () => {
    await fc.assert(
      fc.asyncProperty(events.filter(plain), fc.nat(), damage, chunk, async (list, members, how, size) => {
        const at = members % (list.length + 1);
        const whole = Buffer.concat([gzipSync(lines(list.slice(0, at))), gzipSync(lines(list.slice(at)))]);
        const [bytes, from] = damaged(whole, how);
        const sound = inflated(bytes.subarray(0, from)).split('\n').slice(0, -1);
        const items = await decodeChunks(bytes, size);
        expect(texts(items).slice(0, sound.length)).toEqual(sound);
        if (sound.length < list.length) expect(items.length).toBeGreaterThan(sound.length - 1);
      }),
      { numRuns: 300 },
    );
  });

  function inflated(bytes: Uint8Array): string {
    return bytes.length < 18 ? '' : gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
  }

  it('any bytes at all: never throws, and gives the same whatever the chunks', async () => {
    const bits = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ':',
      ',',
      '\n',
      ' ',
      '1',
      'a',
      '"a":',
      '{"Records":[',
      '\xff',
      '\0',
      '\r\n',
      '\u001f\u008b',
    );
    const soup = fc.array(bits, { maxLength: 60 }).map((list) => Buffer.from(list.join(''), 'latin1'));
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      soup,
    );
    await fc.assert(
      fc.asyncProperty(content, fc.constantFrom<'json' | 'text'>('json', 'text'), chunk, async (bytes, kind, size) => {
        expect(await decodeChunks(bytes, size, { kind })).toEqual(await decodeChunks(bytes, 1000, { kind }));
      }),
      { numRuns: 2000 },
    );
  });
});

it('a large deflated slice that fails loses nothing that was inflated before it', async () => {
  const text = Array.from({ length: 20_000 }, (_, n) => `${a(n)}\n`).join('');
  const bytes = gzipSync(text);
  const at = Math.floor(bytes.length * 0.8);
  bytes.fill(0xff, at, at + 40);
  const sound = gunzipSync(bytes.subarray(0, at), { finishFlush: constants.Z_SYNC_FLUSH })
    .toString()
    .split('\n')
    .slice(0, -1);
  const items = await decodeFile(bytes);
  expect(sound.length).toBeGreaterThan(10_000);
  expect(texts(items).slice(0, sound.length)).toEqual(sound);
  expect(items).toContainEqual(expect.objectContaining({ ok: false, reason: expect.stringMatching(/^gzip: /) }));
});

it('a document of 300 MB is decoded in less than 200 MB', { timeout: 180_000 }, async () => {
  const path = join(folder, 'large.json');
  const event = (n: number): string =>
    JSON.stringify({ eventVersion: '1.08', n, userAgent: 'x'.repeat(900), list: [{ a: 1 }, { a: 2 }] });
  const count = 310_000;
  await pipeline(
    Readable.from(
      (function* () {
        for (let n = 0; n < count; n += 500)
          yield (n === 0 ? '{"Records":[' : ',') + Array.from({ length: 500 }, (_, i) => event(n + i)).join();
        yield ']}';
      })(),
    ),
    createWriteStream(path),
  );
  const before = process.memoryUsage().rss;
  let most = 0;
  let records = 0;
  for await (const { ok } of decode(path, { kind: 'json' })) {
    if (ok) records++;
    if (records % 5000 === 0) most = Math.max(most, process.memoryUsage().rss);
  }
  expect(records).toBe(count);
  expect(most - before).toBeLessThan(200e6);
});
