import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { UserError } from '../../src/errors.ts';
import { type SparkServer, startServer } from '../../src/spark/server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where Spark listens, or why there is none. */
    spark: { readonly engine?: Omit<SparkServer['engine'], 'type'>; readonly reason?: string };
  }
}

/** Starts Spark with an empty catalog for all files of tests, or says why there is none. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // What `npm run spark` printed, to write tests without waiting for a start: its tables are dropped.
  const running = process.env.SPARK_TEST_ENGINE;
  if (running) {
    project.provide('spark', { engine: JSON.parse(running) });
    return async () => undefined;
  }
  const folder = fileURLToPath(new URL('../../.spark', import.meta.url));
  const data = await mkdtemp(join(tmpdir(), 'ocsf-medallion-spark-'));
  const remove = () => rm(data, { recursive: true, force: true });
  const log = (text: string): void => {
    process.stderr.write(text);
  };
  try {
    const server = await startServer({ folder, data, memory: '3g', threads: 2, log });
    project.provide('spark', { engine: server.engine });
    let stopping = false;
    void server.ended.then(async () => {
      if (!stopping) log(`Spark ended before the tests did. The end of its log:\n${await server.lastWords()}\n`);
    });
    return async () => {
      stopping = true;
      await server.stop();
      await remove();
    };
  } catch (error) {
    await remove();
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`The tests on Spark are skipped: ${error.message}\n`);
    project.provide('spark', { reason: error.message });
    return async () => undefined;
  }
}
