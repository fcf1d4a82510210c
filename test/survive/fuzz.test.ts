import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type Random, random } from '../../samples/random.ts';
import type { SourceName } from '../../samples/source.ts';
import { open } from '../../src/index.ts';
import { all, lakehouse, manifestOf, temporary, value } from './given.ts';
import { sampleRecords } from './pool.ts';

const MUTATIONS = Number(process.env.SURVIVE_MUTATIONS ?? 5_000);
const BATCHES = 5;
const MARK = join('/tmp', `survive-executed-${process.pid}`);

const hostile: readonly string[] = [
  `'; DROP TABLE bronze.cloudtrail; --`,
  `'); COPY (SELECT 1) TO '${MARK}'; --`,
  `\${require('fs').writeFileSync('${MARK}', '')}`,
  `$(touch ${MARK})`,
  `\`touch ${MARK}\``,
  `| touch ${MARK} #`,
  '"><script>alert(1)</script><img src=x onerror=alert(1)>',
  '\u001b]0;owned\u0007\u001b[2J\u001b[31mred',
  '\u202egnp.exe\u2066\u200b',
  '=HYPERLINK("http://192.0.2.1","x")',
  '%s%n%x {{7*7}} $\u007bjndi:ldap://192.0.2.1/x}',
  '../../../../etc/passwd',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\uffff\ufffe',
  '9223372036854775808',
  '-1e999',
  'NaN',
  '',
  ' ',
  '\\',
  '\\u0000',
  "''''''",
  '/*',
  '2026-13-45T99:99:99Z',
  '0000-00-00T00:00:00Z',
  '999999999999999',
  '::ffff:1.2.3.4.5',
  '[]',
  '{}',
  '{"a":',
  'null',
];
const numbers = [
  '9223372036854775808',
  '-9223372036854775809',
  '1e400',
  '1e-400',
  '123456789012345678901234567890',
  '0.1e1',
  '-0',
  '4294967296',
];
const deep = (n: number): string => `${'{"a":['.repeat(n)}1${']}'.repeat(n)}`;

type Mutation = (text: string, chance: Random) => string | Buffer;

/** Sets a random member of a JSON record, at any depth, to JSON text. */
const setMember = (text: string, chance: Random, json: string): string => {
  const spots = [...text.matchAll(/"[A-Za-z_]+":/g)];
  const spot = spots[chance.below(Math.max(1, spots.length))];
  if (!spot) return text;
  const from = spot.index + spot[0].length;
  const end = /^(?:"(?:[^"\\]|\\.)*"|[-0-9.eE+]+|true|false|null)/.exec(text.slice(from));
  return end
    ? text.slice(0, from) + json + text.slice(from + end[0].length)
    : `${text.slice(0, from)}${json},"was":${text.slice(from)}`;
};

const jsonMutations: readonly Mutation[] = [
  (text, chance) => setMember(text, chance, JSON.stringify(chance.pick(hostile))),
  (text, chance) => setMember(text, chance, JSON.stringify(chance.pick(hostile))),
  (text, chance) => setMember(text, chance, chance.pick(numbers)),
  (text, chance) =>
    setMember(text, chance, chance.pick(['null', 'true', '[]', '{}', '[null]', '[[[]]]', '{"":""}', '[{"a":1},2]'])),
  (text, chance) => setMember(text, chance, deep(chance.pick([3, 50, 400, 1200]))),
  (text, chance) => setMember(text, chance, `"${'x'.repeat(chance.below(5000))}"`),
  (text, chance) => text.replace('{', `{${JSON.stringify(chance.pick(hostile))}:1,`),
  (text, chance) =>
    `${text.slice(0, -1)},${/"[A-Za-z]+":"[^"]*"/.exec(text)?.[0].replace(/:"/, `:"${chance.below(9)}`) ?? '"a":1'}}`,
  (text) => text.replace(/"([A-Za-z]+)":/, '"$1\\u0000":'),
  (text) => text.replace(/"[A-Za-z]+":/, '"":'),
];
const textMutations: readonly Mutation[] = [
  (text, chance) => text.slice(0, chance.below(text.length)),
  (text, chance) => {
    const at = chance.below(text.length);
    return (
      text.slice(0, at) +
      chance.pick(['"', '{', '}', '[', ']', ',', ':', '\\', '\0', '\u001b[2J', ' ', '\t', '\r', "'"]) +
      text.slice(at + chance.below(3))
    );
  },
  (text, chance) => {
    const bytes = Buffer.from(text);
    bytes[chance.below(bytes.length)] = chance.pick([0xff, 0xc0, 0x80, 0xed, 0x00, 0x1b]);
    return bytes;
  },
];
const flowMutations: readonly Mutation[] = [
  (text, chance) => {
    const fields = text.split(' ');
    fields[chance.below(fields.length)] = chance.pick([...hostile.filter((h) => !h.includes('\n')), ...numbers]);
    return fields.join(' ');
  },
  (text, chance) => text.split(' ').slice(chance.below(14)).join(' '),
];

const records = sampleRecords().filter((r) => r.source !== 'vpc_flow' || r.text.split(' ').length === 14);
const oneLine = (mutated: string | Buffer): Buffer => Buffer.from(Buffer.from(mutated).filter((byte) => byte !== 10));

function mutated(source: SourceName, chance: Random): Buffer {
  const { text } = chance.pick(records.filter((r) => r.source === source));
  const own = source === 'vpc_flow' ? flowMutations : jsonMutations;
  const mutation = chance.pick([...own, ...own, ...textMutations]);
  return oneLine(mutation(text, chance));
}

const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n';
const names = [
  "o'clock",
  'a"b',
  'new\nline',
  'star*',
  'what?',
  '[ab]',
  '{a,b}',
  'back\\slash',
  'semi;colon',
  '--comment',
  '$(touch x)',
  'ünï',
  ' blank ',
];

async function hostileFiles(folder: string, batch: number, chance: Random): Promise<void> {
  const sources: readonly SourceName[] = ['databricks_audit', 'cloudtrail', 'vpc_flow'];
  const each = Math.ceil(MUTATIONS / BATCHES / names.length);
  for (const [i, name] of names.entries()) {
    const source = sources[(i + batch) % 3] ?? 'cloudtrail';
    await mkdir(join(folder, source), { recursive: true });
    const lines = Array.from({ length: each }, () => Buffer.concat([mutated(source, chance), Buffer.from('\n')]));
    const content = Buffer.concat([Buffer.from(source === 'vpc_flow' ? HEADER : ''), ...lines]);
    await writeFile(join(folder, source, `${batch} ${name}`), i % 4 === 3 ? gzipSync(content) : content);
  }
}

const unaccounted = `SELECT path, records, stored, duplicates, quarantined, ignored FROM pipeline.files
  WHERE records <> stored + duplicates + quarantined + ignored OR status = 'failed'`;

test(`${MUTATIONS} mutated records in files with hostile names: no crash, nothing executed, every record accounted for`, async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path);
  const chance = random(20261105, 8, Number(process.env.SURVIVE_SEED ?? 1));
  for (let batch = 0; batch < BATCHES; batch++) {
    await hostileFiles(folder.path, batch, chance);
    const result = await lake.run();
    expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
    expect(await all(lake, "SELECT path, error FROM pipeline.files WHERE status = 'failed'")).toEqual([]);
    expect(result.files).toMatchObject({ new: names.length, failed: 0 });
  }
  expect(await all(lake, unaccounted)).toEqual([]);
  for (const source of ['databricks_audit', 'cloudtrail', 'vpc_flow']) {
    const [n] = await all(
      lake,
      `SELECT (SELECT count(*) FROM bronze.${source}) = sum(stored)::BIGINT AS stored,
      (SELECT count(*) FROM pipeline.quarantine WHERE source = '${source}') = sum(quarantined)::BIGINT AS quarantined,
      sum(stored) > 100 AS many FROM pipeline.files WHERE source = '${source}'`,
    );
    expect(n).toEqual({ stored: true, quarantined: true, many: true });
  }
  const silver = await all<{ name: string }>(
    lake,
    `SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'silver' AND column_name = 'class_uid'`,
  );
  const rows: number[] = [];
  for (const { name } of silver) rows.push(Number(await value(lake, `SELECT count(*) FROM silver.${name}`)));
  expect(rows.reduce((a, b) => a + b, 0)).toBe(
    Number(
      await value(
        lake,
        'SELECT (SELECT count(*) FROM bronze.cloudtrail) + (SELECT count(*) FROM bronze.databricks_audit) + (SELECT count(*) FROM bronze.vpc_flow)',
      ),
    ),
  );
  expect(existsSync(MARK)).toBe(false);
}, 300_000);

test('a string of ten megabytes and a thousand levels of nesting are records or in quarantine, and their neighbours are in', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path);
  const [first, second] = records.filter((r) => r.source === 'cloudtrail').map((r) => r.text);
  const big = (first ?? '')
    .replace('{', `{"big":"${'x'.repeat(10 << 20)}",`)
    .replace(/"eventID":"[^"]*"/, '"eventID":"big"');
  const nested = (first ?? '').replace('{', `{"nested":${deep(5000)},`);
  await mkdir(join(folder.path, 'cloudtrail'));
  await writeFile(join(folder.path, 'cloudtrail/a'), `${[first, big, nested, second].join('\n')}\n`);
  const result = await lake.run();
  expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('3');
  expect((await lake.quarantine()).map((q) => q.text.length <= 65_536)).toEqual([true]);
});

test('a rule, a summary and a view take what no one would write: text where a list belongs, times of fifteen digits', async () => {
  await using folder = await temporary();
  const call = (eventName: string, items: unknown, n: number): string =>
    JSON.stringify({
      eventVersion: '1.08',
      userIdentity: { type: 'IAMUser', accountId: '123456789012', userName: 'ana' },
      eventTime: '2026-11-05T09:00:00Z',
      eventSource: 'ec2.amazonaws.com',
      eventName,
      sourceIPAddress: '203.0.113.66',
      requestID: `request-${n}`,
      requestParameters: { groupId: 'sg-1', cidrIp: '0.0.0.0/0', ipPermissions: { items }, resourcesSet: { items } },
      responseElements: { instancesSet: { items: n % 2 === 0 ? items : [{ networkInterfaceSet: { items } }] } },
      eventID: `${eventName}-${n}`,
    });
  const odd = [
    'no list',
    '[',
    '{"a":',
    7,
    null,
    { a: 1 },
    [[]],
    ['0.0.0.0/0', 1, null],
    [{ fromPort: '1e9' }],
    '\ud800',
  ];
  const calls = ['AuthorizeSecurityGroupIngress', 'RunInstances', 'TerminateInstances', 'CreateTags'];
  await mkdir(join(folder.path, 'cloudtrail'));
  await mkdir(join(folder.path, 'vpc_flow'));
  await writeFile(
    join(folder.path, 'cloudtrail/a'),
    calls.flatMap((name) => odd.map((items, n) => call(name, items, n))).join('\n'),
  );
  const flows = ['999999999999999', '253402300800', '99999999999', '1793869200'].map(
    (time) => `2 123456789012 eni-0f1e2d3c4b5a69788 203.0.113.66 10.20.1.240 51000 22 6 1 40 ${time} ${time} REJECT OK`,
  );
  await writeFile(join(folder.path, 'vpc_flow/a'), `${HEADER}${flows.join('\n')}\n`);
  const manifest = manifestOf(folder.path) as { bronze: Record<string, object> };
  const { cloudtrail, vpc_flow } = manifest.bronze;
  await using lake = await open({
    ...manifest,
    bronze: { cloudtrail, vpc_flow: { ...vpc_flow, expect: { event_time_in_bounds: 'warn' } } },
  });
  const result = await lake.run();
  expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
  for (const table of ['gold.alerts', 'gold.network_hourly', 'silver.network_activity', 'gold.alerts_daily'])
    expect(await all(lake, `SELECT CAST(to_json(t) AS VARCHAR) AS row FROM ${table} AS t`), table).toBeDefined();
  expect(await all(lake, unaccounted)).toEqual([]);
  await lake.status();
});

test('what is printed has no control character of a log in it', async () => {
  await using folder = await temporary();
  const manifest = join(folder.path, 'pipelines.json');
  await writeFile(manifest, JSON.stringify(manifestOf(folder.path, { lakehouse: join(folder.path, 'l.duckdb') })));
  await hostileFiles(folder.path, 0, random(20261105, 8, 2));
  for (const args of [
    ['run'],
    ['quarantine', '--limit', '500'],
    ['quarantine', '--show', '1'],
    ['status'],
    ['plan'],
    ['query', 'SELECT file, raw, uid FROM bronze.cloudtrail'],
  ]) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args, '--manifest', manifest]);
    let printed = '';
    child.stdout.on('data', (chunk) => (printed += chunk));
    child.stderr.on('data', (chunk) => (printed += chunk));
    const [code] = (await once(child, 'close')) as [number];
    expect({ args, code }).toEqual({ args, code: 0 });
    expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.exec(printed)?.[0]).toBeUndefined();
  }
  await using lake = await open(manifest, { readOnly: true });
  expect((await lake.status()).runs).toHaveLength(1);
}, 120_000);
