import { type Lakehouse, type OpenOptions, open } from '../index.ts';

/** What every verb is told about the lakehouse. */
export interface LakehouseOptions {
  readonly manifest: string;
  readonly target?: string;
  readonly json?: boolean;
  /** Milliseconds to wait while another process holds the lakehouse. */
  readonly wait?: number;
}

/** Stops what a remote engine runs, on the engine too, at the first Ctrl-C; a second one ends the process as usual. */
const stop = new AbortController();
const INTERRUPTED = 130;

/** Opens the lakehouse that a verb was told of. */
export async function openFor(
  { manifest, target, wait }: LakehouseOptions,
  more: Pick<OpenOptions, 'readOnly' | 'mustExist'> = {},
): Promise<Lakehouse> {
  const options = { ...(target ? { target } : {}), ...(wait ? { wait } : {}), signal: stop.signal, ...more };
  const lake = await open(manifest, options);
  if (lake.manifest.engine.type !== 'duckdb')
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        process.stderr.write(`Stopping what runs on ${lake.manifest.engine.type}.\n`);
        process.once('exit', () => {
          process.exitCode = INTERRUPTED;
        });
        stop.abort();
      });
  return lake;
}
