import { afterAll, describe, inject } from 'vitest';
import { type Engine, rows, SCHEMAS } from '../../src/engine/engine.ts';
import { openSpark, type SparkOptions } from '../../src/engine/spark.ts';
import { checkManifest, type Manifest } from '../../src/manifest.ts';

const { engine: address, reason } = inject('spark');

/** Where Spark listens; only inside `onSpark`. */
export const where = (): SparkOptions => {
  if (!address) throw new Error(`there is no Spark: ${reason}`);
  return address;
};

/** The second since 1970 by which all is to end; none where nothing is said. */
const until = Number(process.env.SPARK_TESTS_UNTIL ?? Number.POSITIVE_INFINITY);

/** A group of tests that is skipped, with the reason in its name, where there is no Spark or not the time for its file, which may take so many seconds. */
export const onSpark = (name: string, seconds: number, tests: () => void): void => {
  const why = Date.now() / 1000 + seconds > until ? `its ${seconds} seconds end after SPARK_TESTS_UNTIL` : reason;
  if (address && why === reason) describe(name, tests);
  else describe.skip(`${name} (skipped: ${why})`, tests);
};

let session: Promise<Engine> | undefined;
/** This file's session on Spark. */
export const spark = (): Promise<Engine> => {
  session ??= openSpark(where());
  return session;
};
afterAll(async () => {
  await (await session)?.[Symbol.asyncDispose]();
});

/** Empties the catalog. */
export async function emptyCatalog(engine: Engine): Promise<void> {
  for (const schema of SCHEMAS) await engine.execute(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
}

/** The `engine` of a manifest on this Spark. */
export const sparkEngine = (): object => {
  const { host, port, path, ca } = where();
  return { type: 'spark', host, port, path, ca };
};

/** A manifest of everything that there is, as it is written, over the given paths. */
export const everything = (engine: object, bronze: object): object => ({
  engine,
  bronze,
  silver: 'all',
  gold: { detections: 'all', summaries: 'all' },
});

/** The same, as it is read. */
export const manifestOf = (bronze: object): Manifest =>
  checkManifest(everything({ type: 'duckdb', path: ':memory:', threads: 2 }, bronze), 'pipelines.json');

/** The one column of a statement, as text. */
export async function texts(engine: Engine, statement: string): Promise<string[]> {
  const found = await rows<Record<string, unknown>>(engine, statement);
  return found.map((row) => String(Object.values(row)[0]));
}
