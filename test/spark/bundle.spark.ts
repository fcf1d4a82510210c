import { afterAll, beforeAll, expect, test } from 'vitest';
import { alone, plainly } from '../given/bundled.ts';
import { manifest, write } from '../given/lakehouse.ts';
import { emptyCatalog, onSpark, spark, sparkEngine } from './given.ts';

const node = (place: string, ...args: readonly string[]) =>
  plainly(place, [process.execPath, 'ocsf-medallion.mjs', ...args]);

const stopLogging = {
  eventVersion: '1.08',
  eventTime: '2026-11-05T10:56:40Z',
  eventSource: 'cloudtrail.amazonaws.com',
  eventName: 'StopLogging',
  awsRegion: 'eu-west-1',
  userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/backup-svc', userName: 'backup-svc' },
  sourceIPAddress: '203.0.113.66',
  eventID: 'c33b053c-5338-4ceb-90ae-b086429347b6',
  eventType: 'AwsApiCall',
  recipientAccountId: '123456789012',
};
const logs = { 'cloudtrail/one.json': JSON.stringify({ Records: [stopLogging] }) };
const bronze = { cloudtrail: { path: 'cloudtrail/*.json' } };

onSpark('the bundle', 300, () => {
  beforeAll(async () => emptyCatalog(await spark()));
  afterAll(async () => emptyCatalog(await spark()));

  test('takes in files with DuckDB beside it, and reads the alerts without', async () => {
    const parts = {
      engine: sparkEngine(),
      bronze,
      silver: ['api_activity'],
      gold: { detections: ['cloudtrail_stopped'], summaries: [] },
    };
    const { place } = await alone('@duckdb');
    await write(place, logs);
    await manifest(place, parts);
    const ran = await node(place, 'run', '--json');
    expect(ran.code, ran.stderr).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: true, alerts: { new: 1 } });

    const bare = await alone();
    await manifest(bare.place, parts);
    const asked = await node(bare.place, 'query', 'SELECT DISTINCT severity, status FROM gold.alerts', '--json');
    expect(asked).toEqual({ code: 0, stdout: '[{"severity":"Critical","status":"New"}]\n', stderr: '' });
    const diagnosis = await node(bare.place, 'doctor', '--json');
    expect(JSON.parse(diagnosis.stdout).checks).toContainEqual(
      expect.objectContaining({ name: 'Delta Lake', ok: true }),
    );
  });

  test('says what to install where files are to be read and DuckDB is not there', async () => {
    const { place } = await alone();
    await write(place, logs);
    await manifest(place, { engine: sparkEngine(), bronze });
    const { code, stderr } = await node(place, 'run');
    expect(code).toBe(2);
    expect(stderr).toMatch(/DuckDB is needed here and cannot be loaded: run "npm install @duckdb\/node-api@/);
  });
});
