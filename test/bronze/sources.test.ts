import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bronzeColumns } from '../../src/bronze/source.ts';
import { type Lakehouse, open } from '../../src/index.ts';
import { ask, count, folder, lakehouse, manifest, nothingOfGold, write } from '../given/lakehouse.ts';

/** What a source's manifest says that no silver is needed for. */
const onlyBronze = { silver: [], gold: nothingOfGold };

const trail = (eventID: string, more: object = {}): Record<string, unknown> => ({
  eventVersion: '1.11',
  userIdentity: { type: 'IAMUser', userName: 'ana', accountId: '123456789012' },
  eventTime: '2026-11-05T09:00:00Z',
  eventSource: 'iam.amazonaws.com',
  eventName: 'ListUsers',
  eventID,
  ...more,
});

/** The rows of a source's bronze table, by file without its folder and by position. */
async function stored(lake: Lakehouse, source: string): Promise<Record<string, unknown>[]> {
  return ask(
    lake,
    `SELECT regexp_replace(file, '^.*/', '') AS file, position, uid, time, service, action FROM bronze.${source}
     ORDER BY file NULLS LAST, position NULLS LAST`,
  );
}

describe('CloudTrail', () => {
  const two = [trail('e-1'), trail('e-2', { eventName: 'CreateUser' })] as const;
  const [one, other] = two;
  /** The same two events in every form that they come in, each under ids of its own. */
  const forms: Readonly<Record<string, (events: readonly object[]) => string | Uint8Array>> = {
    'records.json': (e) => JSON.stringify({ Records: e }),
    'records.json.gz': (e) => JSON.stringify({ Records: e }),
    'pretty.json': (e) => JSON.stringify({ Records: e }, null, 2),
    'array.json': (e) => JSON.stringify(e),
    'pretty_array.json': (e) => JSON.stringify(e, null, 4),
    'lines.json': (e) => e.map((one) => JSON.stringify(one)).join('\n'),
    'lines_crlf.json': (e) => `${e.map((one) => JSON.stringify(one)).join('\r\n')}\r\n`,
    'lines_blank.json': (e) => `\n${e.map((one) => ` ${JSON.stringify(one)} `).join('\n\n')}\n\n`,
    'lines.json.gz': (e) => e.map((one) => JSON.stringify(one)).join('\n'),
    'misnamed.json': (e) => gzipSync(JSON.stringify({ Records: e })),
    'members.json.gz': (e) => Buffer.concat(e.map((one) => gzipSync(`${JSON.stringify(one)}\n`))),
    'bom.json': (e) => `\uFEFF${JSON.stringify({ Records: e })}`,
    'utf16.json': (e) =>
      Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(JSON.stringify({ Records: e }), 'utf16le')]),
    'records_by_line.json': (e) => e.map((one) => JSON.stringify({ Records: [one] })).join('\n'),
    'lower.json': (e) => JSON.stringify({ records: e }),
    'late_records.json': (e) => JSON.stringify({ note: 'first', Records: e }),
    'eventbridge.json': (e) =>
      e
        .map((detail) => JSON.stringify({ version: '0', 'detail-type': 'AWS API Call via CloudTrail', detail }))
        .join('\n'),
    'lookup_events.json': (e) =>
      JSON.stringify({ Events: e.map((one) => ({ EventId: 'x', CloudTrailEvent: JSON.stringify(one) })) }),
    'lookup_rows.jsonl': (e) =>
      e.map((one) => JSON.stringify({ EventId: 'x', CloudTrailEvent: JSON.stringify(one) })).join('\n'),
    'shipper.json': (e) => e.map((log) => JSON.stringify({ rule: 'x', log })).join('\n'),
  };
  const named = (form: string): object[] => two.map((event, i) => ({ ...event, eventID: `${form} ${i + 1}` }));

  let lake: Lakehouse;
  beforeAll(async () => {
    const files = Object.entries(forms).map(([form, make]) => [`cloudtrail/${form}`, make(named(form))]);
    lake = await lakehouse(
      { ...Object.fromEntries(files), 'cloudtrail/pretty_one.json': JSON.stringify(one, null, 2) },
      onlyBronze,
    );
  });
  afterAll(() => lake?.close());

  test.each(Object.keys(forms))('%s holds both events, at their positions', async (form) => {
    const rows = (await stored(lake, 'cloudtrail')).filter(({ file }) => file === form);
    const time = BigInt(Date.parse(String(one.eventTime)));
    const service = 'iam.amazonaws.com';
    expect(rows.map(({ position, ...row }) => row)).toEqual([
      { file: form, uid: `${form} 1`, time, service, action: 'ListUsers' },
      { file: form, uid: `${form} 2`, time, service, action: 'CreateUser' },
    ]);
    const [first, second] = rows.map(({ position }) => Number(position));
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(first ?? 0);
  });

  test('pretty_one.json, a single event over many lines, is one event', async () => {
    const rows = (await stored(lake, 'cloudtrail')).filter(({ file }) => file === 'pretty_one.json');
    expect(rows).toMatchObject([{ position: 1n, uid: 'e-1' }]);
  });

  test('nothing is in quarantine, and every file is in the ledger', async () => {
    expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(0);
    expect(await count(lake, "SELECT count(*) FROM pipeline.files WHERE status = 'ok'")).toBe(
      Object.keys(forms).length + 1,
    );
  });

  test('the record stands in bronze as it arrived, but for blanks', async () => {
    const [row] = await ask<{ raw: string }>(lake, "SELECT raw FROM bronze.cloudtrail WHERE uid = 'pretty.json 2'");
    expect(JSON.parse(row?.raw ?? '')).toEqual({ ...other, eventID: 'pretty.json 2' });
  });

  test('one event in every form is one row', async () => {
    const files = Object.entries(forms).map(([form, make]) => [`cloudtrail/${form}`, make(two)]);
    const same = await lakehouse(Object.fromEntries(files), onlyBronze);
    expect(await count(same, 'SELECT count(*) FROM bronze.cloudtrail')).toBe(2);
    expect(
      await ask(
        same,
        'SELECT DISTINCT status, records, stored + duplicates AS kept FROM pipeline.files ORDER BY status',
      ),
    ).toEqual([
      { status: 'copy', records: 0n, kept: 0n },
      { status: 'ok', records: 2n, kept: 2n },
    ]);
    await same.close();
  });

  test('digest files and notifications are no events: they are counted and not stored', async () => {
    const digest = { awsAccountId: '123456789012', digestStartTime: '2026-11-05T08:00:00Z', logFiles: [] };
    const notice = { s3Bucket: 'example-logs', s3ObjectKey: ['AWSLogs/x.json.gz'] };
    const other = await lakehouse(
      { 'cloudtrail/digest.json.gz': JSON.stringify(digest), 'cloudtrail/notice.json': JSON.stringify(notice) },
      onlyBronze,
    );
    expect(await ask(other, 'SELECT records, stored, quarantined, ignored FROM pipeline.files')).toEqual([
      { records: 1n, stored: 0n, quarantined: 0n, ignored: 1n },
      { records: 1n, stored: 0n, quarantined: 0n, ignored: 1n },
    ]);
    await other.close();
  });

  test('a record without a time, a name or an id: the first two are refused, the last gets its hash', async () => {
    const { eventTime: _time, ...timeless } = trail('timeless');
    const { eventName: _name, ...nameless } = trail('nameless');
    const { eventID: _id, ...anonymous } = trail('');
    const absurd = trail('absurd', { eventTime: '1970-01-01T00:00:01Z' });
    const records = [timeless, nameless, absurd, anonymous, { ...anonymous, eventName: 'DeleteUser' }];
    const other = await lakehouse({ 'cloudtrail/one.json': JSON.stringify({ Records: records }) }, onlyBronze);
    expect(await ask(other, 'SELECT reason FROM pipeline.quarantine ORDER BY position NULLS LAST')).toEqual([
      { reason: 'no event time' },
      { reason: 'no event name' },
      { reason: 'event time out of bounds' },
    ]);
    const rows = await ask<{ uid: string; hash: unknown }>(other, 'SELECT uid, hash FROM bronze.cloudtrail');
    expect(rows.map(({ hash }) => hash)).toEqual([null, null]);
    expect(new Set(rows.map(({ uid }) => uid)).size).toBe(2);
    for (const { uid } of rows) expect(uid).toMatch(/^[0-9a-f]{32}$/);
    await other.close();
  });
});

describe('Databricks audit', () => {
  test('delivered lines, system rows and Azure records, in lines, arrays and lists, have one time and one name', async () => {
    const at = '2026-11-05T09:00:00.123Z';
    const camel = { timestamp: Date.parse(at), serviceName: 'accounts', actionName: 'login', requestId: 'r' };
    const snake = { event_time: at, service_name: 'accounts', action_name: 'login', event_id: 'snake' };
    const azure = {
      time: at,
      category: 'accounts',
      operationName: 'Microsoft.Databricks/accounts/login',
      properties: { serviceName: 'accounts', actionName: 'login', logId: 'azure', requestParams: '{}' },
    };
    const lake = await lakehouse(
      {
        'databricks_audit/camel.json': `${JSON.stringify(camel)}\n`,
        'databricks_audit/snake.json': JSON.stringify([snake], null, 1),
        'databricks_audit/azure.json': JSON.stringify({ records: [azure] }),
      },
      onlyBronze,
    );
    const rows = await stored(lake, 'databricks_audit');
    const same = { position: 1n, time: BigInt(Date.parse(at)), service: 'accounts', action: 'login' };
    expect(rows).toEqual([
      { ...same, file: 'azure.json', uid: 'azure' },
      { ...same, file: 'camel.json', uid: expect.stringMatching(/^[0-9a-f]{32}$/) },
      { ...same, file: 'snake.json', uid: 'snake' },
    ]);
    await lake.close();
  });
});

describe('VPC flow logs', () => {
  const V2 =
    'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';
  const flow = (port: number): string =>
    `2 123456789012 eni-0a1b2c3d 192.0.2.10 192.0.2.20 ${port} 443 6 1 40 1793869200 1793869260 ACCEPT OK`;
  const cloudWatch = {
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: 'flows',
    logEvents: [
      { id: '1', timestamp: 1793869200000, message: flow(1) },
      { id: '2', timestamp: 1793869200000, message: flow(2) },
    ],
  };

  test.each<[string, string | Uint8Array]>([
    ['plain.log', `${V2}\n${flow(1)}\n${flow(2)}\n`],
    ['zipped.log.gz', `${V2}\n${flow(1)}\n${flow(2)}\n`],
    ['no_newline_at_the_end.log', `${V2}\n${flow(1)}\n${flow(2)}`],
    ['underscores.log', `${V2.replaceAll('-', '_')}\n${flow(1)}\n${flow(2)}\n`],
    ['capitals.log', `${V2.toUpperCase()}\n${flow(1)}\n${flow(2)}\n`],
    ['crlf.log', `${V2}\r\n${flow(1)}\r\n${flow(2)}\r\n`],
    ['blank_lines.log', `${V2}\n\n${flow(1)}\n\n${flow(2)}\n\n`],
    ['no_header.log', `${flow(1)}\n${flow(2)}\n`],
    ['header_twice.log', `${V2}\n${flow(1)}\n${V2}\n${flow(2)}\n`],
    ['headers_of_two_orders.log', `${V2}\n${flow(1)}\nsrcport start action log-status\n2 1793869200 ACCEPT OK\n`],
    ['members.log.gz', Buffer.concat([gzipSync(`${V2}\n${flow(1)}\n`), gzipSync(`${flow(2)}\n`)])],
    ['cloudwatch.json', JSON.stringify(cloudWatch)],
    ['cloudwatch_pretty.json', JSON.stringify(cloudWatch, null, 2)],
    ['cloudwatch.gz', gzipSync(JSON.stringify(cloudWatch))],
  ])('%s holds both flows', async (name, content) => {
    const lake = await lakehouse({ [`vpc_flow/${name}`]: content }, onlyBronze);
    const rows = await ask(
      lake,
      "SELECT raw->>'srcport' AS port, time, service, action FROM bronze.vpc_flow ORDER BY position NULLS LAST",
    );
    const same = { time: 1793869200000n, service: 'OK', action: 'ACCEPT' };
    expect(rows).toEqual([
      { ...same, port: '1' },
      { ...same, port: '2' },
    ]);
    expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(0);
    await lake.close();
  });

  test('a line with too few or too many fields is refused with both counts, and the others are in', async () => {
    const lake = await lakehouse(
      { 'vpc_flow/one.log': `${V2}\n${flow(1)}\n2 123456789012 eni-0a1b2c3d - -\n${flow(2)} more\n${flow(3)}\n` },
      onlyBronze,
    );
    expect(await count(lake, 'SELECT count(*) FROM bronze.vpc_flow')).toBe(2);
    expect(await ask(lake, 'SELECT reason, position FROM pipeline.quarantine ORDER BY position NULLS LAST')).toEqual([
      { reason: '5 fields, the header has 14', position: expect.anything() },
      { reason: '15 fields, the header has 14', position: expect.anything() },
    ]);
    await lake.close();
  });
});

test('a file whose compression no reader knows fails alone, and says why', async () => {
  const place = await folder();
  await write(place, {
    'cloudtrail/good.json': JSON.stringify(trail('good')),
    'cloudtrail/raw.deflate': deflateRawSync(JSON.stringify(trail('raw'))),
    'cloudtrail/zip.json': Buffer.from('504b030414000000080000', 'hex'),
  });
  const lake = await open(await manifest(place, onlyBronze));
  await lake.run();
  expect((await stored(lake, 'cloudtrail')).map(({ uid }) => uid)).toEqual(['good']);
  expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBeGreaterThan(0);
  await lake.close();
});

test('an empty file is read and holds nothing', async () => {
  const lake = await lakehouse({ 'cloudtrail/empty.json': '', 'cloudtrail/empty.json.gz': '' }, onlyBronze);
  expect(await ask(lake, 'SELECT status, records FROM pipeline.files')).toEqual(
    expect.arrayContaining([{ status: 'ok', records: 0n }]),
  );
  expect(await count(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe(0);
  await lake.close();
});

test('a bronze row says where, when and by which run its record came', async () => {
  const lake = await lakehouse({ 'cloudtrail/one.json': JSON.stringify(trail('e-1')) }, onlyBronze);
  const [row] = await ask(lake, 'SELECT * FROM bronze.cloudtrail');
  expect(Object.keys(row ?? {})).toEqual(bronzeColumns.map(({ name }) => name));
  const [run] = await ask(lake, 'SELECT run_id FROM pipeline.runs');
  expect(row).toMatchObject({ run_id: run?.run_id, position: 1n, batch: 1n, fault: null });
  expect(String(row?.file)).toMatch(/^\/.*\/cloudtrail\/one\.json$/);
  expect(Math.abs(Date.now() - Number(row?.ingested_at))).toBeLessThan(600_000);
  await lake.close();
});
