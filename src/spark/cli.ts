#!/usr/bin/env node
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { EngineError, UserError } from '../errors.ts';
import { type SparkServer, startServer } from './server.ts';

const whole = (most: number) => (value: string) => {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < 1 || parsed > most)
    throw new InvalidArgumentError(`needs a whole number from 1 to ${most}.`);
  return parsed;
};
const memory = (value: string): string => {
  if (!/^[1-9][0-9]*[mg]$/.test(value)) throw new InvalidArgumentError('needs a size such as 2g or 1500m.');
  return value;
};

const folder = fileURLToPath(new URL('../../.spark', import.meta.url));
const log = (text: string): void => {
  process.stderr.write(text);
};

async function main(options: { port?: number; memory?: string; threads?: number }): Promise<void> {
  let server: SparkServer | undefined;
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (!stopping) log('Stopping Spark.\n');
      stopping = true;
      if (server) void server.stop();
      else process.exit(130);
    });
  server = await startServer({ folder, data: join(folder, 'data'), log, ...options });
  process.stdout.write(`${JSON.stringify(server.engine)}\n`);
  log('Ready: what stands above is the "engine" of a manifest. Ctrl-C stops it.\n');
  await server.ended;
  if (stopping) return;
  log(`Spark ended by itself. The end of ${server.logFile}:\n${await server.lastWords()}\n`);
  process.exitCode = 1;
}

await new Command()
  .name('npm run spark --')
  .description(
    'Starts Spark with Delta Lake on this machine, for engine.type "spark"; the first time it installs both in .spark.\nThe only line on stdout is the "engine" to put into a manifest.',
  )
  .option('--port <number>', 'the port to listen on, on this machine only; a free one by default', whole(65_535))
  .option('--memory <size>', 'what Spark may use, such as 2g', memory, '2g')
  .option('--threads <number>', 'the cores that Spark uses; all by default', whole(1024))
  .action(async (options: { port?: number; memory?: string; threads?: number }) => {
    try {
      await main(options);
    } catch (error) {
      if (!(error instanceof UserError || error instanceof EngineError)) throw error;
      log(`${error.message}\n`);
      process.exitCode = error instanceof UserError ? 2 : 1;
    }
  })
  .parseAsync();
