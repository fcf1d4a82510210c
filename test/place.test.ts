import { expect, test } from 'vitest';
import { checkManifest } from '../src/manifest.ts';
import { filesHere, placeOf, remoteFiles } from '../src/place.ts';
import { databricks } from '../src/sql/databricks.ts';
import { duckdb } from '../src/sql/duckdb.ts';
import { spark } from '../src/sql/spark.ts';

test.each([
  ['s3://logs/AWSLogs/', { folder: 's3://logs/AWSLogs/' }],
  ['s3://logs/AWSLogs/**/*.json.gz', { folder: 's3://logs/AWSLogs/', names: '*.json.gz' }],
  ['s3://logs/AWSLogs/**', { folder: 's3://logs/AWSLogs/' }],
  ['s3://logs/AWSLogs/**/*', { folder: 's3://logs/AWSLogs/' }],
  ['s3://logs/*/flows/*.gz', { folder: 's3://logs/*/flows/*.gz' }],
  ['/Volumes/raw/logs/audit/**/*.json', { folder: '/Volumes/raw/logs/audit/', names: '*.json' }],
])('%s is what a warehouse lists, and the names it takes', (path, files) => {
  expect(remoteFiles('cloudtrail', path)).toEqual(files);
});

test.each([
  [
    's3://logs/*/CloudTrail/**/*.json.gz',
    /"\*\*" may stand once, before the name of the files, and after no other wildcard/,
  ],
  ['s3://logs/**/CloudTrail/*.json.gz', /"\*\*" may stand once/],
  ['s3://logs/flows/**/*.log.parquet', /Parquet is no text: make a table of it/],
  ['samples/**/*.json', /is a place on this machine, where no warehouse reads/],
])('%s is refused, with what would be right', (path, message) => {
  expect(() => remoteFiles('cloudtrail', path)).toThrow(message);
});

test('files are listed here for DuckDB and Spark, by Databricks itself; tables are read where they are', () => {
  const files = { path: ['s3://logs/'] };
  const table = { table: 'system.access.audit' };
  expect(filesHere('cloudtrail', files, duckdb)).toEqual(['s3://logs/']);
  expect(filesHere('cloudtrail', files, spark)).toEqual(['s3://logs/']);
  expect(filesHere('cloudtrail', files, databricks)).toBeUndefined();
  expect(filesHere('databricks_audit', table, spark)).toBeUndefined();
  expect(() => filesHere('databricks_audit', table, duckdb)).toThrow(/tables are read on Databricks and Spark/);
});

test('a table is read again for a day unless the manifest says otherwise', () => {
  expect(placeOf({ table: 'system.access.audit' })).toMatchObject({ lookback: 86_400_000 });
  expect(placeOf({ table: 'system.access.audit', lookback: '90m' })).toMatchObject({ lookback: 5_400_000 });
});

test.each([
  [{}, /give "path", a glob of files, or "table"/],
  [{ path: 'x', table: 'a.b' }, /"path" or "table", not both/],
  [{ path: 'x', lookback: '1h' }, /"lookback" goes with "table"/],
  [{ table: 'a.b', optional: true }, /"format" and "optional" go with "path"/],
  [{ table: 'audit' }, /bronze\.databricks_audit\.table: the name of a table, such as "system\.access\.audit"/],
  [{ table: 'a.b; DROP TABLE c' }, /the name of a table/],
])('%j is a mistake in a manifest', (settings, message) => {
  const manifest = {
    engine: { type: 'duckdb', path: ':memory:' },
    bronze: { databricks_audit: settings },
    silver: 'all',
    gold: { detections: 'all', summaries: 'all' },
  };
  expect(() => checkManifest(manifest, 'pipelines.json')).toThrow(message);
});
