import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, rename, stat, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Lakehouse, open, type RunEvent, UserError } from '../src/index.ts';
import { ask, count, digests, everySource, folder, manifest, nothingOfGold, write } from './given/lakehouse.ts';

const samples = new URL('../samples/', import.meta.url).pathname;
const sampled = ['databricks_audit', 'cloudtrail', 'vpc_flow'];

/** Every file of the samples, relative to their folder. */
const sampleFiles = sampled.flatMap((source) =>
  readdirSync(join(samples, source), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(samples.length)),
);

/** A file that can be opened and not read, whoever asks. */
const UNREADABLE = '/proc/self/mem';
if (!existsSync(UNREADABLE)) console.warn(`skipped: an unreadable file, for there is no ${UNREADABLE} here`);

const signIn = (eventID: string, minute: number, more: object = {}): Record<string, unknown> => ({
  eventVersion: '1.11',
  userIdentity: { type: 'IAMUser', accountId: '123456789012', userName: 'ana' },
  eventTime: `2026-11-05T09:${String(minute).padStart(2, '0')}:00Z`,
  eventSource: 'signin.amazonaws.com',
  eventName: 'ConsoleLogin',
  awsRegion: 'eu-west-1',
  sourceIPAddress: '203.0.113.66',
  errorMessage: 'Failed authentication',
  responseElements: { ConsoleLogin: 'Failure' },
  additionalEventData: { MFAUsed: 'Yes' },
  eventID,
  recipientAccountId: '123456789012',
  ...more,
});
const records = (...events: readonly object[]): string => JSON.stringify({ Records: events });

/** Only sign-ins, and one rule and one summary over them. */
const few = {
  silver: ['authentication'],
  gold: { detections: ['failed_sign_in_burst'], summaries: ['sign_ins_hourly'] },
};
const EVERYTHING = ['bronze', 'silver', 'gold', 'pipeline'];

/** A folder with files and a manifest; `lake()` opens it. */
async function place(files: Record<string, string | Uint8Array>, parts: object = few) {
  const path = await folder();
  await write(path, files);
  const file = await manifest(path, parts);
  return { path, lake: () => open(file) };
}

/** What the ledger says of each file, by name. */
const ledger = (lake: Lakehouse): Promise<Record<string, unknown>[]> =>
  ask(
    lake,
    `SELECT regexp_replace(path, '^.*/', '') AS file, status, records, stored, duplicates, quarantined, ignored
     FROM pipeline.files ORDER BY batch NULLS LAST, file NULLS LAST`,
  );
const line = (file: string, status: string, n: readonly [number, number, number, number, number]) => ({
  file,
  status,
  records: BigInt(n[0]),
  stored: BigInt(n[1]),
  duplicates: BigInt(n[2]),
  quarantined: BigInt(n[3]),
  ignored: BigInt(n[4]),
});

describe('the samples', () => {
  let path: string;
  let file: string;
  let once: Record<string, string>;

  beforeAll(async () => {
    path = await folder();
    for (const source of sampled) await cp(join(samples, source), join(path, source), { recursive: true });
    file = await manifest(path);
    const lake = await open(file);
    expect(await lake.run()).toMatchObject({ ok: true, files: { new: sampleFiles.length, unchanged: 0, failed: 0 } });
    once = await digests(lake);
    await lake.close();
  });

  test('are all accounted for, file by file', async () => {
    const lake = await open(file, { readOnly: true });
    expect(
      await ask(lake, 'SELECT path FROM pipeline.files WHERE records <> stored + duplicates + quarantined + ignored'),
    ).toEqual([]);
    for (const source of sampled)
      expect(await count(lake, `SELECT count(*) FROM bronze.${source}`)).toBe(
        await count(lake, `SELECT sum(stored) FROM pipeline.files WHERE source = '${source}'`),
      );
    expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(9);
    await lake.close();
  });

  test('have nothing new for a second run, which writes nothing', async () => {
    const lake = await open(file);
    const before = await digests(lake, EVERYTHING);
    const result = await lake.run();
    expect(result).toMatchObject({
      ok: true,
      files: { new: 0, unchanged: sampleFiles.length, failed: 0 },
      alerts: { new: 0, by_severity: {} },
    });
    expect(result.stages.filter((s) => s.rows_in + s.rows_out + s.rows_quarantined > 0)).toEqual([]);
    expect(await digests(lake, EVERYTHING)).toEqual(before);
    await lake.close();
  });

  test('give the same again where a definition changed, for what changed and all that reads it', async () => {
    const lake = await open(file);
    await lake.engine.execute("UPDATE pipeline.definitions SET hash = 'old' WHERE stage IN ('silver.authentication')");
    const result = await lake.run();
    const busy = result.stages.filter((s) => s.rows_out > 0).map((s) => s.name);
    expect(busy).toEqual(expect.arrayContaining(['silver.authentication', 'gold.sign_ins_hourly']));
    expect(busy).not.toContain('silver.network_activity');
    expect(result).toMatchObject({ ok: true, files: { new: 0 }, alerts: { new: 0 } });
    expect(await digests(lake)).toEqual(once);
    await lake.engine.execute("UPDATE pipeline.definitions SET hash = 'old'");
    expect((await lake.run()).ok).toBe(true);
    expect(await digests(lake)).toEqual(once);
    await lake.close();
  });

  test('give the same again with `full`', async () => {
    const lake = await open(file);
    const result = await lake.run({ full: true });
    expect(result.stages.filter((s) => s.name.startsWith('silver.') && s.rows_out > 0).length).toBeGreaterThan(4);
    expect(await digests(lake)).toEqual(once);
    await lake.close();
  });

  test('give the same when their files come in three runs, shuffled', async () => {
    let state = 2654435761;
    const random = (n: number): number => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * n);
    };
    const shuffled = [...sampleFiles];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = random(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j] ?? '', shuffled[i] ?? ''];
    }
    const other = await folder();
    const lake = await open(await manifest(other));
    const runs = 3;
    for (let i = 0; i < runs; i++) {
      const from = Math.floor((i * shuffled.length) / runs);
      const until = Math.floor(((i + 1) * shuffled.length) / runs);
      for (const name of shuffled.slice(from, until)) await write(other, { [name]: readFileSync(join(samples, name)) });
      expect((await lake.run()).ok).toBe(true);
    }
    expect(await digests(lake)).toEqual(once);
    await lake.close();
  });
});

describe('files', () => {
  test('that are renamed or copied add nothing', async () => {
    const { path, lake } = await place({ 'cloudtrail/a.json': records(signIn('e-1', 1), signIn('e-2', 2)) });
    const opened = await lake();
    await opened.run();
    const before = await digests(opened, ['bronze', 'silver', 'gold']);
    await rename(join(path, 'cloudtrail/a.json'), join(path, 'cloudtrail/b.json'));
    await cp(join(path, 'cloudtrail/b.json'), join(path, 'cloudtrail/c.json'));
    expect(await opened.run()).toMatchObject({ ok: true, files: { new: 0, failed: 0 }, alerts: { new: 0 } });
    expect(await digests(opened, ['bronze', 'silver', 'gold'])).toEqual(before);
    expect(await ledger(opened)).toEqual([
      line('a.json', 'ok', [2, 2, 0, 0, 0]),
      line('b.json', 'copy', [0, 0, 0, 0, 0]),
      line('c.json', 'copy', [0, 0, 0, 0, 0]),
    ]);
    await opened.close();
  });

  test('that are overwritten with more add only what is new', async () => {
    const { path, lake } = await place({ 'cloudtrail/a.json': records(signIn('e-1', 1), signIn('e-2', 2)) });
    const opened = await lake();
    await opened.run();
    await write(path, { 'cloudtrail/a.json': records(signIn('e-1', 1), signIn('e-2', 2), signIn('e-3', 3)) });
    const result = await opened.run();
    expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')).toMatchObject({ rows_in: 3, rows_out: 1 });
    expect(await ledger(opened)).toEqual([
      line('a.json', 'ok', [2, 2, 0, 0, 0]),
      line('a.json', 'ok', [3, 1, 2, 0, 0]),
    ]);
    expect(await count(opened, 'SELECT count(*) FROM silver.authentication')).toBe(3);
    await opened.close();
  });

  test('that only got a new time add nothing, and are not looked at again', async () => {
    const { path, lake } = await place({ 'cloudtrail/a.json': records(signIn('e-1', 1)) });
    const opened = await lake();
    await opened.run();
    await utimes(join(path, 'cloudtrail/a.json'), new Date(), new Date(Date.now() + 60_000));
    await opened.run();
    const after = await digests(opened, EVERYTHING);
    await opened.run();
    expect(await digests(opened, EVERYTHING)).toEqual(after);
    expect(await count(opened, 'SELECT count(*) FROM bronze.cloudtrail')).toBe(1);
    await opened.close();
  });
});

describe('events', () => {
  test('that are delivered again, within a file, a run or later, are one row', async () => {
    const { path, lake } = await place({
      'cloudtrail/a.json': records(signIn('e-1', 1), signIn('e-1', 1), signIn('e-2', 2)),
      'cloudtrail/b.json': `${JSON.stringify(signIn('e-2', 2))}\n${JSON.stringify(signIn('e-3', 3))}\n`,
    });
    const opened = await lake();
    await opened.run();
    await write(path, { 'cloudtrail/c.json.gz': records(signIn('e-3', 3), signIn('e-1', 1)) });
    await opened.run();
    expect(
      await ask(opened, 'SELECT uid, count(*) AS n FROM bronze.cloudtrail GROUP BY uid ORDER BY uid NULLS LAST'),
    ).toEqual(['e-1', 'e-2', 'e-3'].map((uid) => ({ uid, n: 1n })));
    expect(await count(opened, 'SELECT count(*) FROM silver.authentication')).toBe(3);
    expect(await count(opened, 'SELECT sum(duplicates) FROM pipeline.files')).toBe(4);
    await opened.close();
  });

  test('that share an id and differ are both kept in either order, and counted as a conflict', async () => {
    const one = records(signIn('e-1', 1));
    const other = records(signIn('e-1', 1, { sourceIPAddress: '203.0.113.77' }));
    const states: Record<string, string>[] = [];
    for (const [first, second] of [
      [one, other],
      [other, one],
    ] as const) {
      const { path, lake } = await place({ 'cloudtrail/a.json': first });
      const opened = await lake();
      await opened.run();
      expect((await opened.status()).sources[1]).toMatchObject({ source: 'cloudtrail', conflicts: 0 });
      await write(path, { 'cloudtrail/b.json': second });
      await opened.run();
      expect((await opened.status()).sources[1]).toMatchObject({ source: 'cloudtrail', conflicts: 1, duplicates: 0 });
      const ips = await ask(
        opened,
        'SELECT metadata.uid AS uid, src_endpoint.ip AS ip FROM silver.authentication ORDER BY ip NULLS LAST',
      );
      expect(ips).toEqual([
        { uid: 'e-1', ip: '203.0.113.66' },
        { uid: 'e-1', ip: '203.0.113.77' },
      ]);
      states.push(await digests(opened));
      await opened.close();
    }
    expect(states[1]).toEqual(states[0]);
  });

  test('that come late change their hour of the summary and the findings that they belong to', async () => {
    const burst = [1, 2, 3, 4].map((minute) => signIn(`e-${minute}`, minute));
    const { path, lake } = await place({ 'cloudtrail/a.json': records(...burst, signIn('e-59', 59)) });
    const opened = await lake();
    expect((await opened.run()).alerts.new).toBe(0);
    const summary = 'SELECT sum(sign_ins) FROM gold.sign_ins_hourly';
    expect(await count(opened, summary)).toBe(5);
    await write(path, { 'cloudtrail/b.json': records(signIn('e-5', 5)) });
    const result = await opened.run();
    expect(result.alerts).toEqual({ new: 1, by_severity: { Medium: 1 } });
    expect(await count(opened, summary)).toBe(6);
    const late = await digests(opened);

    const whole = await place({ 'cloudtrail/a.json': records(...burst, signIn('e-59', 59), signIn('e-5', 5)) });
    const other = await whole.lake();
    await other.run();
    expect(late).toEqual(await digests(other));
    await other.close();
    await opened.close();
  });
});

describe('what cannot be read', () => {
  const good = (n: number): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: n }, (_, i) => [`cloudtrail/good_${i}.json.gz`, records(signIn(`g-${i}`, i + 1))]),
    );
  const noise = Array.from({ length: 400 }, (_, i) =>
    signIn(`t-${i}`, i % 60, { note: `${Math.imul(i, 2654435761)}` }),
  );

  test('a truncated gzip among good files: they are in, its readable records are in, the rest is in quarantine', async () => {
    const whole = gzipSync(noise.map((one) => JSON.stringify(one)).join('\n'));
    const cut = whole.subarray(0, Math.floor(whole.length / 2));
    const { lake } = await place({ ...good(5), 'cloudtrail/cut.json.gz': cut });
    const opened = await lake();
    const result = await opened.run();
    expect(result.files).toMatchObject({ new: 6, failed: 0 });
    const [entry] = (await ledger(opened)).filter(({ file }) => file === 'cut.json.gz');
    expect(entry).toMatchObject({ status: 'ok', duplicates: 0n, quarantined: 1n });
    expect(Number(entry?.stored)).toBeGreaterThan(50);
    expect(await count(opened, "SELECT count(*) FROM bronze.cloudtrail WHERE uid LIKE 'g-%'")).toBe(5);
    const [refused] = await opened.quarantine();
    expect(refused?.reason).toMatch(/^gzip: /);
    expect(refused?.file).toMatch(/cut\.json\.gz$/);
    expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')).toMatchObject({ rows_quarantined: 1 });
    await opened.close();
  });

  test('bytes that are no gzip under its name, and garbage within one, are in quarantine with the reason', async () => {
    const damaged = Buffer.from(gzipSync(records(...noise)));
    damaged.fill(0xaa, 60, 90);
    const { lake } = await place({
      ...good(2),
      'cloudtrail/damaged.json.gz': damaged,
      'cloudtrail/text.json.gz': Buffer.from('no gzip'),
    });
    const opened = await lake();
    await opened.run();
    expect(await count(opened, "SELECT count(*) FROM bronze.cloudtrail WHERE uid LIKE 'g-%'")).toBe(2);
    const files = (await opened.quarantine()).map(({ file }) => file.replace(/^.*\//, ''));
    expect([...new Set(files)].sort()).toEqual(['damaged.json.gz', 'text.json.gz']);
    expect(
      await ask(opened, 'SELECT path FROM pipeline.files WHERE records <> stored + duplicates + quarantined + ignored'),
    ).toEqual([]);
    await opened.close();
  });

  test.skipIf(!existsSync(UNREADABLE))('a file that gives no bytes fails alone, and the run says so', async () => {
    const { path, lake } = await place(good(2));
    await symlink(UNREADABLE, join(path, 'cloudtrail/unreadable.json'));
    const opened = await lake();
    const warnings: string[] = [];
    const result = await opened.run({
      onEvent: (event: RunEvent) => {
        if (event.kind === 'warning') warnings.push(event.message);
      },
    });
    expect(result).toMatchObject({ ok: false, files: { new: 2, failed: 1 } });
    expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
    expect(warnings.join()).toMatch(/unreadable\.json: cannot be read: /);
    expect(await count(opened, 'SELECT count(*) FROM silver.authentication')).toBe(2);
    expect((await opened.status()).sources[1]).toMatchObject({ failed_files: 1 });
    await opened.close();
  });

  test('a link that leads nowhere, and a folder named like a file, do not stop the others', async () => {
    const { path, lake } = await place(good(2));
    await symlink(join(path, 'nowhere'), join(path, 'cloudtrail/dangling.json'));
    await write(path, { 'cloudtrail/folder.json/inside.json': records(signIn('inside', 30)) });
    const opened = await lake();
    expect(await opened.run()).toMatchObject({ ok: true, files: { new: 3, failed: 0 } });
    expect(await count(opened, 'SELECT count(*) FROM silver.authentication')).toBe(3);
    await opened.close();
  });

  test('a malformed line, an element that is no object and a short flow line are in quarantine, with their places', async () => {
    const flow = '2 123456789012 eni-0a1b2c3d 192.0.2.10 192.0.2.20 1 443 6 1 40 1793869200 1793869260 ACCEPT OK';
    const { lake } = await place(
      {
        'cloudtrail/lines.json': `${JSON.stringify(signIn('e-1', 1))}\n{"eventID": "e-2", \n${JSON.stringify(signIn('e-3', 3))}\n`,
        'cloudtrail/list.json': `{"Records":[${JSON.stringify(signIn('e-4', 4))},7,"text",null,${JSON.stringify(signIn('e-5', 5))}]}`,
        'vpc_flow/flows.log': `${flow}\n2 123456789012 eni-0a1b2c3d\n${flow.replace(' 1 443', ' 2 443')}\n`,
      },
      { silver: ['authentication', 'network_activity'], gold: nothingOfGold },
    );
    const opened = await lake();
    const result = await opened.run();
    expect(result).toMatchObject({ ok: true, files: { new: 3, failed: 0 } });
    expect(await ledger(opened)).toEqual(
      expect.arrayContaining([
        line('lines.json', 'ok', [3, 2, 0, 1, 0]),
        line('list.json', 'ok', [5, 2, 0, 3, 0]),
        line('flows.log', 'ok', [3, 2, 0, 1, 0]),
      ]),
    );
    const refused = (await opened.quarantine()).map(({ file, position, reason, text }) => ({
      file: file.replace(/^.*\//, ''),
      position,
      reason,
      text,
    }));
    expect(refused).toEqual([
      {
        file: 'lines.json',
        position: 2,
        reason: expect.stringMatching(/^malformed JSON/),
        text: expect.stringMatching(/^{"eventID": "e-2"/),
      },
      { file: 'list.json', position: 2, reason: 'not a JSON object', text: '7' },
      { file: 'list.json', position: 3, reason: 'not a JSON object', text: 'text' },
      { file: 'list.json', position: 4, reason: 'not a JSON object', text: 'null' },
      { file: 'flows.log', position: 2, reason: '3 fields, the header has 14', text: '2 123456789012 eni-0a1b2c3d' },
    ]);
    expect(await count(opened, 'SELECT count(*) FROM silver.authentication')).toBe(4);
    await opened.close();
  });
});

describe('a stage that fails', () => {
  const flow = '2 123456789012 eni-0a1b2c3d 192.0.2.10 192.0.2.20 1 443 6 1 40 1793869200 1793869260 ACCEPT OK';
  const parts = {
    silver: ['authentication', 'network_activity'],
    gold: {
      detections: ['failed_sign_in_burst', 'rejected_flows_spike', 'port_scan'],
      summaries: ['sign_ins_hourly', 'network_hourly'],
    },
  };

  test('fails what reads it and nothing else, and is made good by a later run', async () => {
    const { path, lake } = await place(
      { 'cloudtrail/a.json': records(...[1, 2, 3, 4, 5].map((m) => signIn(`e-${m}`, m))), 'vpc_flow/flows.log': flow },
      parts,
    );
    const opened = await lake();
    expect((await opened.run()).ok).toBe(true);
    await opened.engine.execute('CREATE OR REPLACE TABLE silver.network_activity (time BIGINT, broken INTEGER)');
    await write(path, {
      'cloudtrail/b.json': records(signIn('e-6', 6)),
      'vpc_flow/more.log': flow.replace(' 1 443', ' 2 443'),
    });
    const result = await opened.run();
    expect(result.ok).toBe(false);
    const failed = result.stages.filter((s) => s.error !== undefined).map((s) => s.name);
    expect(failed[0]).toBe('silver.network_activity');
    for (const name of failed.slice(1))
      expect(['gold.network_hourly', 'gold.port_scan', 'gold.rejected_flows_spike']).toContain(name);
    for (const name of [
      'bronze.vpc_flow',
      'silver.authentication',
      'gold.sign_ins_hourly',
      'gold.failed_sign_in_burst',
    ])
      expect(result.stages.find((s) => s.name === name)).toMatchObject({ rows_out: expect.any(Number) });
    expect(await count(opened, 'SELECT sum(sign_ins) FROM gold.sign_ins_hourly')).toBe(6);
    const [past] = await ask(opened, 'SELECT ok, error FROM pipeline.runs ORDER BY started_at DESC NULLS LAST LIMIT 1');
    expect(past).toMatchObject({ ok: false, error: result.stages.find((s) => s.name === failed[0])?.error });

    await opened.engine.execute("UPDATE pipeline.definitions SET hash = 'old' WHERE stage = 'silver.network_activity'");
    expect((await opened.run()).ok).toBe(true);
    const repaired = await digests(opened);
    await opened.close();
    const fresh = await open(await manifest(path, { ...parts, engine: { type: 'duckdb', path: 'fresh.duckdb' } }));
    await fresh.run();
    expect(repaired).toEqual(await digests(fresh));
    await fresh.close();
  });

  test('on the first run keeps its dependants from running, and says for whose sake', async () => {
    const { lake } = await place({ 'vpc_flow/flows.log': flow }, parts);
    const opened = await lake();
    await opened.engine.execute('CREATE SCHEMA silver');
    await opened.engine.execute('CREATE VIEW silver.network_activity AS SELECT CAST(0 AS BIGINT) AS time');
    const result = await opened.run();
    const errors = Object.fromEntries(result.stages.filter((s) => s.error !== undefined).map((s) => [s.name, s.error]));
    expect(Object.keys(errors).sort()).toEqual([
      'gold.network_hourly',
      'gold.port_scan',
      'gold.rejected_flows_spike',
      'silver.network_activity',
    ]);
    expect(errors['gold.port_scan']).toBe('not run, for silver.network_activity failed');
    expect(errors['gold.rejected_flows_spike']).toBe('not run, for gold.network_hourly failed');
    expect(result.stages.find((s) => s.name === 'bronze.vpc_flow')).toMatchObject({ rows_out: 1 });
    await opened.close();
  });
});

test('a rule that the manifest names wrongly is refused before anything is written', async () => {
  const { path } = await place({ 'cloudtrail/a.json': records(signIn('e-1', 1)) });
  const file = await manifest(path, { bronze: everySource, gold: { detections: ['none'], summaries: [] } });
  await expect(open(file)).rejects.toThrow(UserError);
  await expect(stat(join(path, 'lakehouse.duckdb'))).rejects.toThrow('ENOENT');
});
