import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CompiledFile } from '../../src/compile.ts';
import { deltaPackage, installSpark } from '../../src/spark/install.ts';

const software = fileURLToPath(new URL('../../.spark', import.meta.url));
const LOOPBACK = '127.0.0.1';
const THREADS = 'local[2]';

/** The address under which the manifest finds a folder of this machine. */
export const BUCKET = 's3://logs';

/**
 * The clauses that only Databricks takes, each with what stands in its place. Statements that are left out altogether are in
 * `NOWHERE`, and `read_files` is in `arriving`.
 */
const ONLY_ON_DATABRICKS: readonly (readonly [clause: RegExp, instead: string])[] = [
  // Spark refreshes whatever there is.
  [/^CREATE OR REFRESH STREAMING TABLE /, 'CREATE STREAMING TABLE '],
  // Spark 4.1 has no expectations.
  [/,\n {2}CONSTRAINT [^\n]*?(?=,?\n)/g, ''],
  // Spark 4.1 does not cluster what a pipeline makes.
  [/^(CREATE MATERIALIZED VIEW .*|\).*) CLUSTER BY \(`time`\)/m, '$1'],
];

/** What stands beside a pipeline of Spark's own: schemas and plain tables before it, views after it. It refreshes all by itself, in the catalog of its settings. */
const BEFORE = /^CREATE (SCHEMA|TABLE) /;
const AFTER = /^CREATE OR REPLACE VIEW /;
const NOWHERE = /^(USE CATALOG|REFRESH MATERIALIZED VIEW) /;

const READ_FILES = /STREAM read_files\('([^']*)'((?:, \w+ => (?:'[^']*'|TRUE))*)\)/;
/** What `read_files` calls an option, as Spark's readers call it; those of Auto Loader alone have no other name. */
const OPTIONS: Readonly<Record<string, string>> = {
  wholeText: 'wholetext',
  pathGlobFilter: 'pathGlobFilter',
  ignoreCorruptFiles: 'ignoreCorruptFiles',
};

/** What a stream of files of a format must be told. */
const SCHEMAS: Readonly<Record<string, string>> = {
  text: 'value STRING',
  binaryFile: 'path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY',
};

/** The stream of files that stands for a `read_files`, as a temporary view in Python. */
function arriving(name: string, address: string, given: string, folder: string): string {
  const options = [...given.matchAll(/, (\w+) => (?:'([^']*)'|TRUE)/g)].map(([, key = '', value = 'true']) => [
    key,
    value,
  ]);
  const format = options.find(([key]) => key === 'format')?.[1] ?? '';
  const known = options.flatMap(([key = '', value]) => (OPTIONS[key] ? [[OPTIONS[key], value]] : []));
  const set = [...known, ['recursiveFileLookup', 'true']].map(
    (pair) => `.option(${pair.map((s) => JSON.stringify(s)).join(', ')})`,
  );
  const column = format === 'text' ? '"value", ' : '';
  return `@dp.temporary_view
def ${name}():
    return spark.readStream.schema(${JSON.stringify(SCHEMAS[format])}).format(${JSON.stringify(format)})${set.join('')}.load(${JSON.stringify(address.replace(BUCKET, folder))}).select(${column}"_metadata")
`;
}

/** The statements of a compiled file. */
export const statementsOf = ({ content }: CompiledFile): string[] =>
  content
    .replace(/^(--.*\n)+/, '')
    .split(/;\n/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

/** Compiled files as `spark-pipelines` takes them: SQL, and Python for files that arrive; `before` and `after` are what stands beside it. */
function onSparkAlone(files: readonly CompiledFile[], folder: string) {
  const before: string[] = [];
  const after: string[] = [];
  const streams: string[] = [];
  const sql = files
    .filter(({ path }) => path.endsWith('.sql'))
    .map((file) => {
      const statements = statementsOf(file).flatMap((statement) => {
        if (BEFORE.test(statement)) before.push(statement);
        if (AFTER.test(statement)) after.push(statement);
        if ([BEFORE, AFTER, NOWHERE].some((pattern) => pattern.test(statement))) return [];
        let text = statement;
        for (const [clause, instead] of ONLY_ON_DATABRICKS) text = text.replace(clause, instead);
        return text.replace(READ_FILES, (_, address: string, options: string) => {
          const name = `arriving_${streams.length}`;
          streams.push(arriving(name, address, options, folder));
          return `STREAM ${name}`;
        });
      });
      return { path: file.path, content: statements.map((s) => `${s};\n`).join('\n') };
    })
    .filter(({ content }) => content !== '');
  const python = `from pyspark import pipelines as dp\nfrom pyspark.sql import SparkSession\n\nspark = SparkSession.active()\n\n\n${streams.join('\n\n')}`;
  return { before, after, files: [...sql, { path: 'sql/files.py', content: python }] };
}

const settings = (place: string): string =>
  Object.entries({
    'spark.driver.memory': '2g',
    'spark.jars.packages': deltaPackage,
    'spark.jars.excludes': 'org.slf4j:slf4j-api,org.xerial.snappy:snappy-java',
    'spark.jars.ivy': join(software, 'ivy'),
    'spark.ui.enabled': 'false',
    'spark.driver.bindAddress': LOOPBACK,
    'spark.driver.host': LOOPBACK,
    'spark.driver.extraJavaOptions': `-Dderby.system.home=${place}`,
    'spark.sql.extensions': 'io.delta.sql.DeltaSparkSessionExtension',
    'spark.sql.catalog.spark_catalog': 'org.apache.spark.sql.delta.catalog.DeltaCatalog',
    'spark.sql.catalogImplementation': 'hive',
    'spark.sql.warehouse.dir': join(place, 'warehouse'),
    'spark.sql.sources.default': 'delta',
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.shuffle.partitions': '2',
    'spark.databricks.delta.snapshotPartitions': '1',
  })
    .map(([key, value]) => `${key} ${value}\n`)
    .join('');

/** Runs statements, then writes each table's rows as JSON, one a line, and says how many rows each version of the others added. */
const SCRIPT = `import json, os, sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.enableHiveSupport().getOrCreate()
asked = json.load(open(sys.argv[1]))
for statement in asked["statements"]:
    spark.sql(statement)
options = "map('timestampFormat', 'yyyy-MM-dd\\\\'T\\\\'HH:mm:ss.SSSSSS\\\\'Z\\\\'')"
for table in asked["tables"]:
    rows = spark.table(table).selectExpr(f"to_json(struct(*), {options}) AS line").collect()
    with open(os.path.join(asked["out"], table), "w") as file:
        file.writelines(row.line + "\\n" for row in rows)
history = {}
for table in asked["history"]:
    versions = spark.sql(f"DESCRIBE HISTORY {table}").where("operation = 'STREAMING UPDATE'").orderBy("version").collect()
    history[table] = [int(version.operationMetrics["numOutputRows"]) for version in versions]
json.dump(history, open(os.path.join(asked["out"], "history.json"), "w"))
`;

/** A pipeline of compiled files that Spark keeps up to date. */
export interface Declarative {
  /** Brings all tables up to date. */
  run(): Promise<void>;
  /** The rows of tables as lines of JSON, and how many rows each update added to streaming tables. */
  read(
    tables: readonly string[],
    streaming: readonly string[],
  ): Promise<{
    rows(table: string): Promise<string[]>;
    readonly added: Readonly<Record<string, readonly number[]>>;
  }>;
}

/** Writes compiled files into an empty folder as `spark-pipelines` takes them, with a catalog of their own; `logs` lies under `BUCKET`. */
export async function declarative(
  place: string,
  compiled: readonly CompiledFile[],
  logs: string,
): Promise<Declarative> {
  const home = await installSpark(software, () => undefined);
  const { before, after, files } = onSparkAlone(compiled, logs);
  const conf = join(place, 'conf');
  for (const folder of [conf, join(place, 'sql'), join(place, 'rows')]) await mkdir(folder, { recursive: true });
  for (const { path, content } of files) await writeFile(join(place, path), content);
  await writeFile(join(conf, 'spark-defaults.conf'), settings(place));
  await writeFile(join(place, 'read.py'), SCRIPT);
  await writeFile(
    join(place, 'spark-pipeline.yml'),
    JSON.stringify({
      name: 'ocsf_medallion',
      storage: `file://${join(place, 'storage')}`,
      catalog: 'spark_catalog',
      database: 'default',
      libraries: [{ glob: { include: 'sql/**' } }],
    }),
  );
  const python = join(software, 'venv', 'bin', 'python');
  const start = async (program: string, ...args: string[]): Promise<void> => {
    const env = {
      ...process.env,
      SPARK_HOME: home,
      SPARK_CONF_DIR: conf,
      SPARK_LOCAL_IP: LOOPBACK,
      PYSPARK_PYTHON: python,
    };
    try {
      await promisify(execFile)(join(home, 'bin', program), args, { cwd: place, env, maxBuffer: 1 << 28 });
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`${program} ${args.join(' ')} failed:\n${stdout.slice(-8000)}\n${stderr.slice(-8000)}`);
    }
  };
  const ask = async (asked: object): Promise<void> => {
    await writeFile(
      join(place, 'asked.json'),
      JSON.stringify({ statements: [], tables: [], history: [], out: join(place, 'rows'), ...asked }),
    );
    await start('spark-submit', '--master', THREADS, join(place, 'read.py'), join(place, 'asked.json'));
  };
  await ask({ statements: before });
  return {
    run: () => start('spark-pipelines', 'run', '--remote', THREADS, '--spec', join(place, 'spark-pipeline.yml')),
    read: async (tables, streaming) => {
      await ask({ statements: after, tables, history: streaming });
      return {
        rows: async (table) => (await readFile(join(place, 'rows', table), 'utf8')).split('\n').slice(0, -1),
        added: JSON.parse(await readFile(join(place, 'rows', 'history.json'), 'utf8')),
      };
    },
  };
}
