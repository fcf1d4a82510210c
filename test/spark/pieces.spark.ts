import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lakehouse, open } from '../../src/index.ts';
import { checkManifest } from '../../src/manifest.ts';
import { pipelineOf, tablesOf } from '../../src/plan.ts';
import { sameRows } from './alike.ts';
import { emptyCatalog, onSpark, spark, sparkEngine } from './given.ts';

const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const PIECES = 3;

const stages = {
  silver: ['authentication', 'network_activity'],
  gold: {
    detections: ['console_login_without_mfa', 'failed_sign_in_burst', 'port_scan'],
    summaries: ['network_hourly'],
  },
};
const manifestOf = (engine: object, logs: string): object => ({
  engine,
  bronze: {
    cloudtrail: { path: join(logs, 'cloudtrail/**/*.json.gz'), optional: true },
    vpc_flow: { path: join(logs, 'vpc_flow/**/*.log.gz'), optional: true },
  },
  ...stages,
});

/** The files of the samples, the newest first, so that pieces of them come out of order. */
async function sampleFiles(): Promise<string[]> {
  const all = await readdir(samples, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile() && entry.name.endsWith('.gz'))
    .map((entry) => relative(samples, join(entry.parentPath, entry.name)))
    .sort((a, b) => (a.slice(-30) < b.slice(-30) ? 1 : -1));
}

/** Starts a run as a process of its own and kills it at once when its log shows that it got so far. */
function killedAt(manifest: string, options: readonly string[], moment: RegExp): Promise<string> {
  const args = ['--import', import.meta.resolve('tsx'), cli, 'run', '--manifest', manifest, '--log-format', 'json'];
  const child = spawn(process.execPath, [...args, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (moment.test(said)) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) =>
      signal === 'SIGKILL' ? resolve(said) : reject(new Error(`it ended before it could be killed:\n${said}`)),
    );
  });
}

onSpark('logs that come in three pieces, out of order', 800, () => {
  let folder: string;
  let logs: string;
  let manifest: string;
  let duck: Lakehouse;
  let lake: Lakehouse;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-pieces-'));
    logs = join(folder, 'logs');
    manifest = join(folder, 'pipelines.json');
    await mkdir(logs);
    await writeFile(manifest, JSON.stringify(manifestOf(sparkEngine(), logs)));
    await emptyCatalog(await spark());
    duck = await open(manifestOf({ type: 'duckdb', path: ':memory:', threads: 1 }, samples));
    await duck.run();
    lake = await open(manifest);
  });
  afterAll(async () => {
    await duck?.close();
    await lake?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const tables = [
    ...new Set(
      tablesOf(pipelineOf(checkManifest(manifestOf({ type: 'duckdb', path: ':memory:' }, samples), ''))).map(
        (table) => table.name,
      ),
    ),
  ];
  const same = async (): Promise<void> => {
    // Of records that stand in several files the first to come stays.
    for (const table of tables) await sameRows(duck, lake, table, ['file', 'position']);
    await sameRows(duck, lake, 'pipeline.quarantine', ['file']);
  };
  const deliver = async (piece: number): Promise<void> => {
    const files = await sampleFiles();
    const size = Math.ceil(files.length / PIECES);
    for (const file of files.slice(piece * size, (piece + 1) * size)) {
      await mkdir(dirname(join(logs, file)), { recursive: true });
      await cp(join(samples, file), join(logs, file), { preserveTimestamps: true });
    }
  };
  const finish = async (): Promise<void> => {
    // What the server was at work on for the process that is gone comes to its end.
    await pause(5_000);
    const result = await lake.run();
    expect(result.stages.filter((stage) => stage.error)).toEqual([]);
  };

  test('give the same tables as in one, though the second piece is killed on its way into bronze', async () => {
    await deliver(0);
    await finish();
    await deliver(1);
    await killedAt(manifest, [], /"stage":"bronze.vpc_flow"[^\n]*"stage begins"/);
    await finish();
    await deliver(2);
    await finish();
    await same();
  });

  test('and the same again, though a rebuild is killed in silver and in gold', async () => {
    await killedAt(manifest, ['--full'], /"stage":"silver from vpc_flow"[^\n]*"stage begins"/);
    await pause(5_000);
    await killedAt(manifest, [], /"stage":"gold.network_hourly"[^\n]*"stage done"/);
    await finish();
    await same();
  });
});
