import { existsSync } from 'node:fs';
import { mkdir, readdir, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { all, digest, lakehouse, temporary, value } from './given.ts';
import { pool } from './pool.ts';

const few = {
  silver: ['authentication', 'network_activity'],
  detections: ['failed_sign_in_burst'],
  summaries: ['sign_ins_hourly'],
};
const good = pool.filter((r) => r.source === 'cloudtrail' && /^c\d+$/.test(r.name));
const text = (...records: readonly string[]): string => `${records.join('\n')}\n`;
const [a = '', b = '', c = '', d = ''] = good.map((r) => r.text);
const flows = pool.filter((r) => r.source === 'vpc_flow' && /^v\d+$/.test(r.name)).map((r) => r.text);
const [f1 = '', f2 = '', f3 = ''] = flows;
const header =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';
const zipped = gzipSync(text(...good.map((r) => r.text)), { level: 0 });
const corrupt = Buffer.from(zipped);
corrupt[zipped.length - 6] = (corrupt[zipped.length - 6] ?? 0) ^ 0xff;
const utf16 = (content: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(content, 'utf16le')]);

async function put(folder: string, path: string, content: string | Buffer): Promise<string> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

const unaccounted = `SELECT path, records, stored, duplicates, quarantined, ignored FROM pipeline.files
  WHERE records <> stored + duplicates + quarantined + ignored`;

/** What goes in and how much of it is stored and refused. */
const cases: readonly (readonly [
  what: string,
  path: string,
  content: string | Buffer,
  stored: number,
  reasons: readonly RegExp[],
])[] = [
  ['a malformed line', 'cloudtrail/x', text(a, '{"eventID": nope}', b), 2, [/JSON|Unexpected|malformed/]],
  ['a line that is cut off', 'cloudtrail/x', text(a, b.slice(0, 200)), 1, [/truncated|JSON|malformed/]],
  ['a truncated gzip', 'cloudtrail/x.gz', zipped.subarray(0, zipped.length >> 1), 6, [/gzip|truncated|unexpected end/]],
  ['a corrupt gzip', 'cloudtrail/x.gz', corrupt, good.length, [/gzip: crc/]],
  ['UTF-16 with its mark', 'cloudtrail/x', utf16(text(a, b)), 2, []],
  ['a byte order mark', 'cloudtrail/x', `\uFEFF${text(a, b)}`, 2, []],
  [
    'bytes that are no UTF-8',
    'cloudtrail/x',
    Buffer.concat([Buffer.from(text(a)), Buffer.from([0x7b, 0xff, 0xfe, 0x7d, 0x0a]), Buffer.from(text(b))]),
    2,
    [/UTF-8|malformed/],
  ],
  [
    'a flow line with too few fields',
    'vpc_flow/x',
    text(header, f1, '2 123456789012 eni-1', f2),
    2,
    [/3 fields, the header has 14/],
  ],
  [
    'a flow line with too many fields',
    'vpc_flow/x',
    text(header, f1, `${f2} more`, f3),
    2,
    [/15 fields, the header has 14/],
  ],
  [
    'a time in the year 5138',
    'vpc_flow/x',
    text(header, f1, f2.replace(/ 17\d{8} /, ' 99999999999 ')),
    1,
    [/out of bounds/],
  ],
  [
    'a time that is no time',
    'cloudtrail/x',
    text(a, b.replace(/"eventTime":"[^"]*"/, '"eventTime":"yesterday"')),
    1,
    [/no event time/],
  ],
  [
    'a number where an object belongs',
    'cloudtrail/x',
    `{"Records":[${a},17,null,"text"]}`,
    1,
    [/not a JSON object|no event time/, /./, /./],
  ],
  [
    'Parquet that is none',
    'cloudtrail/x.parquet',
    Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(100, 7), Buffer.from('PAR1')]),
    0,
    [/./],
  ],
];

test.each(cases)(
  '%s: what is wrong is in quarantine, the rest is in',
  async (_what, path, content, stored, reasons) => {
    await using folder = await temporary();
    await using lake = await lakehouse(folder.path, few);
    const file = await put(folder.path, path, content);
    await lake.run();
    const source = path.split('/')[0];
    expect(await value(lake, `SELECT count(*) FROM bronze.${source}`)).toBe(String(stored));
    const held = await lake.quarantine();
    const failed = await all<{ error: string }>(lake, `SELECT error FROM pipeline.files WHERE status = 'failed'`);
    const why = [...held.map((q) => q.reason), ...failed.map((f) => f.error)];
    expect(why).toHaveLength(reasons.length);
    for (const [i, reason] of reasons.entries()) expect(why[i]).toMatch(reason);
    for (const one of held) expect(one).toMatchObject({ file, source });
    expect(await all(lake, unaccounted)).toEqual([]);
  },
);

const noise = Buffer.from(Array.from({ length: 40_000 }, (_, i) => (Math.imul(i + 1, 2_654_435_761) >>> 13) & 255));
const begins = (bytes: string): Buffer => Buffer.concat([Buffer.from(bytes, 'latin1'), noise]);
const foreign: readonly (readonly [what: RegExp, content: Buffer])[] = [
  [/a zip archive: unpack/, begins('PK\x03\x04\x14\0\x08\0')],
  [/an Office document: convert/, begins('PK\x03\x04\x14\0\x08\0........xl/workbook.xml')],
  [/a tar archive: unpack/, gzipSync(begins(`${'logs/a.json'.padEnd(257, '\0')}ustar\x0000`))],
  [/compressed with zstd: unpack/, begins('\x28\xb5\x2f\xfd')],
  [/compressed with bzip2: unpack/, begins('BZh91AY&SY')],
  [/compressed with xz: unpack/, begins('\xfd7zXZ\0')],
  [/Avro: convert/, begins('Obj\x01\x04\x14avro.codec\x08null')],
  [/ORC: convert/, begins('ORC\n\0')],
  [/Parquet inside gzip: unpack/, gzipSync(begins('PAR1'))],
  [/an image: leave/, begins('\x89PNG\r\n\x1a\n\0\0\0\rIHDR')],
  [/a PDF document: leave/, begins('%PDF-1.7\n')],
  [/binary, no text: leave/, noise],
  [/binary, no text: leave/, gzipSync(noise)],
];

test.each(foreign)(
  '%s: a file that is no log is one entry in quarantine that says what to do',
  async (what, content) => {
    await using folder = await temporary();
    await using lake = await lakehouse(folder.path, few);
    for (const source of ['cloudtrail', 'vpc_flow']) await put(folder.path, `${source}/x`, content);
    const result = await lake.run();
    expect(result).toMatchObject({ ok: true, files: { new: 2, failed: 0 } });
    const held = await lake.quarantine();
    expect(held.map(({ source, position }) => [source, position])).toEqual([
      ['cloudtrail', 1],
      ['vpc_flow', 1],
    ]);
    for (const { reason, text } of held) {
      expect(reason).toMatch(what);
      expect(text.length).toBeLessThanOrEqual(256);
    }
    expect(await all(lake, unaccounted)).toEqual([]);
  },
);

test('a text with a few stray bytes is still read line by line', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(folder.path, 'cloudtrail/x', text(a, '\0\x01\x02', b));
  await put(folder.path, 'vpc_flow/x', text(header, f1, `${f2}\x1b[2J\0`, f3));
  await lake.run();
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('2');
  expect(await value(lake, 'SELECT count(*) FROM bronze.vpc_flow')).toBe('2');
});

test('one bad file among two thousand costs only itself', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const one = (i: number): string =>
    a.replace('00000000-0000-4000-8000-', `${String(i).padStart(8, '0')}-0000-4000-8000-`);
  for (let i = 0; i < 2000; i++)
    await put(folder.path, `cloudtrail/${i}.json`, text(i === 777 ? one(i).slice(0, -9) : one(i)));
  await lake.run();
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('1999');
  expect((await lake.quarantine()).map((q) => q.file)).toEqual([join(folder.path, 'cloudtrail/777.json')]);
  expect(await all(lake, unaccounted)).toEqual([]);
});

test('the text in quarantine is bounded', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(
    folder.path,
    'cloudtrail/x',
    text(JSON.stringify({ eventID: 'big', eventName: 'X', junk: 'j'.repeat(2_000_000) })),
  );
  await lake.run();
  expect((await lake.quarantine()).map((q) => q.text.length)).toEqual([65_536]);
});

test('replay takes in what is readable now, from the file if it is there and else from the text that was kept, and doubles nothing', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(folder.path, 'cloudtrail/there', text(a, b));
  const gone = await put(folder.path, 'cloudtrail/gone', text(c, d, '{"eventID": nope}'));
  await lake.run();
  // As an earlier version without the fix would have left it: b and d refused.
  for (const [text, position] of [
    [b, 2],
    [d, 2],
  ] as const) {
    const file = text === b ? join(folder.path, 'cloudtrail/there') : gone;
    const uid = (JSON.parse(text) as { eventID: string }).eventID;
    const rows = `FROM bronze.cloudtrail WHERE uid = '${uid}'`;
    await lake.engine.execute(
      `INSERT INTO pipeline.quarantine SELECT 'cloudtrail', '${file}', ${position}, 'refused once', raw, batch, run_id, ingested_at ${rows}`,
    );
    await lake.engine.execute(`DELETE ${rows}`);
    await lake.engine.execute(`DELETE FROM silver.authentication WHERE metadata.uid = '${uid}'`);
  }
  await unlink(gone);
  const result = await lake.run({ replay: true });
  expect(result.ok).toBe(true);
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('4');
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('4');
  expect((await lake.quarantine()).map((q) => q.text)).toEqual(['{"eventID": nope}']);
  const before = await digest(lake.engine);
  await lake.run({ replay: true });
  expect(await digest(lake.engine)).toEqual(before);
  expect(await all(lake, unaccounted)).toEqual([]);
});

test('a record that a mapping fails on goes to quarantine, and does not stop its class', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(folder.path, 'cloudtrail/x', text(a, b, c, d));
  await lake.run({ select: ['bronze.cloudtrail'] });
  await lake.engine.execute(`UPDATE bronze.cloudtrail SET raw = '{"hostile' WHERE position IN (2, 4)`);
  const result = await lake.run();
  expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('2');
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('2');
  expect((await lake.quarantine()).map((q) => [q.position, q.reason.split(':')[0], q.text])).toEqual([
    [2, 'silver.authentication', '{"hostile'],
    [4, 'silver.authentication', '{"hostile'],
  ]);
  expect(await all(lake, unaccounted)).toEqual([]);
  await lake.run({ replay: true });
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('4');
  expect(await lake.quarantine()).toEqual([]);
});

test('a file that is repaired in place leaves the quarantine by itself', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(folder.path, 'cloudtrail/x', text(a, b.slice(0, 300)));
  await lake.run();
  expect(await lake.quarantine()).toHaveLength(1);
  await put(folder.path, 'cloudtrail/x', text(a, b));
  await lake.run();
  expect(await lake.quarantine()).toEqual([]);
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('2');
});

const corpora = resolve('../shared/corpora');
test.skipIf(!existsSync(corpora))(
  'every record of every corpus is accounted for (skipped where ../shared/corpora is absent)',
  async () => {
    const path = (await readdir(corpora, { withFileTypes: true }))
      .filter((e) => e.isDirectory())
      .map((e) => `${join(corpora, e.name)}/**/*`);
    for (const source of ['cloudtrail', 'databricks_audit', 'vpc_flow']) {
      await using lake = await open({
        engine: { type: 'duckdb', path: ':memory:' },
        bronze: { [source]: { path, optional: true } },
        silver: [],
        gold: { detections: [], summaries: [] },
      });
      const result = await lake.run();
      expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
      expect(result.files.new).toBeGreaterThan(100);
      expect(await all(lake, unaccounted)).toEqual([]);
      const [sums] = await all(
        lake,
        `SELECT (SELECT sum(stored)::BIGINT FROM pipeline.files) = (SELECT count(*) FROM bronze.${source}) AS stored,
      (SELECT sum(quarantined)::BIGINT FROM pipeline.files) = (SELECT count(*) FROM pipeline.quarantine) AS quarantined`,
      );
      expect(sums).toEqual({ stored: true, quarantined: true });
    }
  },
  300_000,
);
