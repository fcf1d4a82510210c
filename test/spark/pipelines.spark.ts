import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { compiled } from '../../src/compile.ts';
import { open } from '../../src/index.ts';
import { checkManifest } from '../../src/manifest.ts';
import { pipelineOf, tablesOf } from '../../src/plan.ts';
import { linesIn, sameLines } from './alike.ts';
import { BUCKET, declarative, statementsOf } from './declarative.ts';
import { everything, onSpark } from './given.ts';

const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const SOURCES = ['databricks_audit', 'cloudtrail', 'vpc_flow'];
/** What comes only after the first update. */
const LATE = /date=2026-11-06|\/2026\/11\/06\//;
/** Classes of every source, with all rules and summaries that need no more: Spark analyses each definition several times. */
const FEW = ['authentication', 'network_activity'];

const at = (root: string): object => ({
  databricks_audit: { path: `${root}/databricks_audit/**/*.json*` },
  cloudtrail: { path: `${root}/cloudtrail/**/*.json.gz` },
  vpc_flow: { path: `${root}/vpc_flow/**/*.log.gz` },
});
const warehouse = { type: 'databricks', host: 'localhost', path: '/sql/1.0/warehouses/x', catalog: 'security' };
const duckdb = { type: 'duckdb', path: ':memory:', threads: 2 };

/** Only the decoder of a run says where a text stops being JSON. */
const withoutPlace = (line: string): string =>
  line.replace(/"reason":"malformed JSON: (?:[^"\\]|\\.)*"/, '"reason":"malformed JSON"');

async function filesOf(source: string): Promise<string[]> {
  const all = await readdir(join(samples, source), { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map((entry) => relative(samples, join(entry.parentPath, entry.name)));
}

/** Delivers files of the samples; how many of each source. */
async function deliver(logs: string, wanted: (file: string) => boolean): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const source of SOURCES) {
    const some = (await filesOf(source)).filter(wanted);
    for (const file of some) {
      await mkdir(dirname(join(logs, file)), { recursive: true });
      await cp(join(samples, file), join(logs, file), { preserveTimestamps: true });
    }
    counts[source] = some.length;
  }
  return counts;
}

/** A pipeline of Spark's own from compiled files, in a folder of its own. */
async function lakehouse(silver: 'all' | readonly string[]) {
  const place = await mkdtemp(join(tmpdir(), 'ocsf-medallion-pipelines-'));
  const logs = join(place, 'logs');
  const parts = (engine: object, root: string): object => ({ ...everything(engine, at(root)), silver });
  const manifest = checkManifest(parts(warehouse, BUCKET), 'pipelines.json');
  const files = compiled(manifest);
  const pipeline = pipelineOf(manifest);
  const filled = [...new Set(tablesOf(pipeline).map((table) => table.name))].filter((name) => !/^bronze/.test(name));
  const tables = [...filled, ...pipeline.views.map((view) => view.name), 'pipeline.quarantine'];
  const streaming = files.flatMap((file) =>
    statementsOf(file).flatMap((s) => /STREAMING TABLE (\S+)/.exec(s)?.[1]?.replaceAll('`', '') ?? []),
  );
  const spark = await declarative(place, files, logs);
  return {
    logs,
    /** Brings everything up to date and fails unless every table has DuckDB's rows; how many rows each update added to streaming tables. */
    async update(): Promise<Readonly<Record<string, readonly number[]>>> {
      await spark.run();
      const found = await spark.read(tables, streaming);
      await using duck = await open(parts(duckdb, logs));
      await duck.run();
      for (const table of tables) {
        const expected = (await linesIn(duck, table)).map(withoutPlace);
        const rows = sameLines(table, expected, await found.rows(table), ['file', 'shape']);
        process.stderr.write(`${table}: ${rows} rows\n`);
      }
      return found.added;
    },
    /** Of each source, how many files each update read. */
    read: (added: Readonly<Record<string, readonly number[]>>): Record<string, readonly number[]> =>
      Object.fromEntries(
        SOURCES.map((source) => [source, added[streaming.find((t) => t.includes(`.${source}_files_`)) ?? ''] ?? []]),
      ),
    [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }),
  };
}

onSpark('the declarative form of the compiled files, kept up to date by spark-pipelines', 900, () => {
  test('gives the rows of DuckDB, also after more logs came, of which it read only the new files', async () => {
    await using lake = await lakehouse(FEW);
    const first = await deliver(lake.logs, (file) => !LATE.test(file));
    const before = await lake.update();
    expect(lake.read(before)).toEqual(Object.fromEntries(SOURCES.map((s) => [s, [first[s]]])));
    const second = await deliver(lake.logs, (file) => LATE.test(file));
    const after = await lake.update();
    expect(lake.read(after)).toEqual(Object.fromEntries(SOURCES.map((s) => [s, [first[s], second[s]]])));
    for (const [table, rows] of Object.entries(after)) expect(rows.slice(0, 1), table).toEqual(before[table]);
  }, 2_400_000);

  test.skipIf(!process.env.ALL_CLASSES)(
    'gives the rows of DuckDB in every table there is (skipped unless ALL_CLASSES is set, for it takes ten minutes)',
    async () => {
      await using lake = await lakehouse('all');
      await deliver(lake.logs, () => true);
      await lake.update();
    },
    3_600_000,
  );
});
