import { fork } from 'node:child_process';
import { createReadStream, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGunzip } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import Table from 'cli-table3';
import { glob } from 'tinyglobby';
import { generate } from '../samples/generate.ts';
import { open } from '../src/index.ts';
import { mappings } from '../src/silver/index.ts';
import { bronze, silver } from './handwritten.ts';

/** What a part cost: CPU seconds (user and system) and wall seconds of its work, peak resident memory of its process. */
interface Cost {
  readonly cpu: number;
  readonly wall: number;
  readonly megabytes: number;
  readonly note: string;
}

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '500000' },
    rounds: { type: 'string', default: '1' },
    part: { type: 'string' },
    folder: { type: 'string' },
  },
});
const MEMORY = '2GB';

async function main(): Promise<void> {
  const events = Number(values.events);
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-bench-'));
  try {
    const hours = Math.max(1, Math.min(100, Math.round(events / 2500)));
    const made = await generate({ out: join(folder, 'logs'), events, seed: 7, hours, sources: { cloudtrail: 1 } });
    console.log(
      `${made.records.toLocaleString('en')} CloudTrail events, ${made.files} files, ${megabytes(made.bytes)} MB gz; ${availableParallelism()} x ${cpus()[0]?.model}, Node ${process.version}`,
    );
    const best = new Map<string, Cost>();
    for (let round = 0; round < rounds; round++) {
      for (const file of ['ours', 'hand']) rmSync(join(folder, `${file}.duckdb`), { force: true });
      for (const name of Object.keys(parts)) {
        const cost = await measured(name, folder);
        console.error(`round ${round + 1}, ${name}: ${cost.cpu.toFixed(1)} CPU s, ${cost.megabytes.toFixed(0)} MB`);
        const before = best.get(name);
        if (!before || cost.cpu < before.cpu)
          best.set(name, { ...cost, megabytes: Math.max(cost.megabytes, before?.megabytes ?? 0) });
      }
    }
    print(best);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function print(best: ReadonlyMap<string, Cost>): void {
  const table = new Table({
    head: ['', 'CPU s', 'wall s', 'peak MB', 'against by hand', ''],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const [name, { cpu, wall, megabytes: peak, note }] of best) {
    const yardstick = best.get(name.replace('ours', 'by hand'));
    const ratio = name.includes('ours') && yardstick ? (cpu / yardstick.cpu).toFixed(2) : '';
    table.push([name, cpu.toFixed(1), wall.toFixed(1), peak.toFixed(0), ratio, note]);
  }
  console.log(table.toString());
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

/** Runs one part in a process of its own, so that its memory is its own. */
const measured = (name: string, folder: string): Promise<Cost> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--part', name, '--folder', folder]);
    let cost: Cost | undefined;
    child.on('message', (message) => {
      cost = message as Cost;
    });
    child.on('error', reject);
    child.on('exit', (code) => (cost ? resolve(cost) : reject(new Error(`${name}: exit code ${code}`))));
  });

const logs = (folder: string): string => join(folder, 'logs/cloudtrail/**/*.json.gz');

const lakehouse = (folder: string) =>
  open({
    engine: { type: 'duckdb', path: join(folder, 'ours.duckdb'), memory: MEMORY },
    bronze: { cloudtrail: { path: logs(folder) } },
    silver: 'all',
    gold: { detections: 'all', summaries: 'all' },
  });

async function ours(folder: string, select?: readonly string[]): Promise<string> {
  await using lake = await lakehouse(folder);
  const { ok, stages, alerts } = await lake.run(select ? { select } : {});
  if (!ok) throw new Error(stages.map((s) => s.error ?? '').join('\n'));
  const written = stages.reduce((sum, s) => sum + s.rows_out, 0);
  return `${written.toLocaleString('en')} rows${alerts.new > 0 ? `, ${alerts.new} alerts` : ''}`;
}

async function byHand(folder: string, statements: readonly string[]): Promise<string> {
  const instance = await DuckDBInstance.create(join(folder, 'hand.duckdb'), {
    storage_compatibility_version: 'latest',
    memory_limit: MEMORY,
    threads: String(availableParallelism()),
  });
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  let written = 0;
  for (const statement of statements) {
    const result = await connection.run(statement);
    written += result.rowsChanged || Number((await result.getRowsJS())[0]?.[0] ?? 0);
  }
  connection.closeSync();
  instance.closeSync();
  return `${written.toLocaleString('en')} rows`;
}

async function inflate(folder: string): Promise<string> {
  let bytes = 0;
  for (const path of await glob('logs/cloudtrail/**/*.json.gz', { cwd: folder, absolute: true }))
    await pipeline(createReadStream(path), createGunzip({ chunkSize: 1 << 20 }), async (chunks) => {
      for await (const chunk of chunks as AsyncIterable<Buffer>) bytes += chunk.length;
    });
  return `${megabytes(bytes)} MB of JSON`;
}

const silverStages = [...new Set(mappings.filter((m) => m.source.source === 'cloudtrail').map((m) => m.class.name))];

const parts: Readonly<Record<string, (folder: string) => Promise<string>>> = {
  'inflate alone': inflate,
  'bronze by hand': (folder) => byHand(folder, bronze(logs(folder))),
  'bronze, ours': (folder) => ours(folder, ['bronze.cloudtrail']),
  'silver by hand': (folder) => byHand(folder, silver),
  'silver, ours': (folder) => ours(folder, silverStages),
  'gold, ours': (folder) => ours(folder),
};

async function part(name: string, folder: string): Promise<void> {
  const work = parts[name];
  if (!work) throw new Error(`There is no part "${name}"`);
  const cpu = process.cpuUsage();
  const wall = performance.now();
  const note = await work(folder);
  const used = process.cpuUsage(cpu);
  const cost: Cost = {
    cpu: (used.user + used.system) / 1e6,
    wall: (performance.now() - wall) / 1000,
    megabytes: process.resourceUsage().maxRSS / 1024,
    note,
  };
  await new Promise((resolve) => process.send?.(cost, resolve));
}

if (values.part !== undefined && values.folder !== undefined) await part(values.part, values.folder);
else await main();
