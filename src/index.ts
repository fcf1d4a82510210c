import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { type CompiledFile, compiled } from './compile.ts';
import type { Diagnosis } from './doctor.ts';
import { openDuckDB } from './engine/duckdb.ts';
import type { Engine, Values } from './engine/engine.ts';
import { CLIENT_ID } from './engine/environment.ts';
import { UserError } from './errors.ts';
import { type Checked, checkGrants, type Grants, grantsOf } from './grants.ts';
import { checkManifest, type Manifest, readManifest } from './manifest.ts';
import { type Planned, type PlanOptions, planOf } from './planned.ts';
import { type Quarantined, type QuarantineFilter, quarantineOf } from './quarantine.ts';
import { type RunOptions, type RunResult, run } from './run.ts';
import { type Status, statusOf } from './status.ts';

export type { CompiledFile } from './compile.ts';
export type { Check, Diagnosis } from './doctor.ts';
export type { Values } from './engine/engine.ts';
export { BusyError, EngineError, UserError } from './errors.ts';
export type { Checked, Grant, Grants } from './grants.ts';
export type { Manifest } from './manifest.ts';
export type { Planned, PlanOptions } from './planned.ts';
export type { Quarantined, QuarantineFilter } from './quarantine.ts';
export type { RunEvent, RunOptions, RunResult, StageResult } from './run.ts';
export type { Status } from './status.ts';

/** How a lakehouse is opened. */
export interface OpenOptions {
  /** One of the manifest's targets. */
  readonly target?: string;
  /** For reading only: several processes may then read at once, while none writes. */
  readonly readOnly?: boolean;
  /** With `readOnly`: throws a `UserError` where there is no lakehouse yet, instead of showing an empty one. */
  readonly mustExist?: boolean;
  /** How long to wait, in milliseconds, while another process holds the lakehouse; not at all when left out. */
  readonly wait?: number;
  /** Cancels what runs on Spark or Databricks, on the server too, and lets nothing more run there. */
  readonly signal?: AbortSignal;
}

/** An open lakehouse: the manifest's engine and what can be done with it. Close it, or open it with `await using`. */
export interface Lakehouse extends AsyncDisposable {
  readonly manifest: Manifest;
  readonly engine: Engine;
  /** Takes in everything new, from files to alerts. */
  run(options?: RunOptions): Promise<RunResult>;
  /** What a run would do and why; writes nothing. */
  plan(options?: PlanOptions): Promise<Planned>;
  /** Last runs, and for each source its newest event, lag, rows and quarantine. */
  status(): Promise<Status>;
  /** What is in quarantine, by source, file and position; `run({ replay: true })` takes it in again. */
  quarantine(filter?: QuarantineFilter): Promise<Quarantined[]>;
  /** What the manifest needs on Unity Catalog, and what of it who asks lacks; throws a `UserError` where the engine is not Databricks. */
  grants(): Promise<Checked>;
  /** The rows of a statement as Arrow record batches, streamed; at least one batch, for the schema. `values` are for its markers. */
  query(statement: string, values?: Values): AsyncIterable<RecordBatch>;
  close(): Promise<void>;
}

const RUN_FIRST = 'run the pipeline first (npm run pipeline).';

/** The engine; throws where a lakehouse is to be there and none is. */
async function existing(engine: Engine, where: string, mustExist: boolean): Promise<Engine> {
  if (!mustExist || (await engine.tables()).length > 0) return engine;
  await engine[Symbol.asyncDispose]();
  throw new UserError(`There is no lakehouse ${where} yet: ${RUN_FIRST}`);
}

async function openEngine(
  manifest: Manifest,
  { readOnly = false, mustExist = false, wait = 0, signal }: OpenOptions,
): Promise<Engine> {
  const { engine, folder } = manifest;
  if (engine.type === 'spark') {
    const { openSpark, sparkOptions } = await import('./engine/spark.ts');
    return existing(await openSpark({ ...sparkOptions(engine, folder), signal }), 'on Spark', mustExist);
  }
  if (engine.type === 'databricks') {
    const { databricksOptions, openDatabricks } = await import('./engine/databricks.ts');
    const options = { ...databricksOptions(engine, folder), signal, makeCatalog: !readOnly };
    return existing(await openDatabricks(options), 'on Databricks', mustExist);
  }
  const path = engine.path === ':memory:' ? engine.path : resolve(folder, engine.path);
  const missing = readOnly && !existsSync(path);
  if (missing && mustExist) throw new UserError(`There is no lakehouse ${path} yet: ${RUN_FIRST}`);
  return openDuckDB({
    path: missing ? ':memory:' : path,
    readOnly: readOnly && !missing,
    wait,
    ...(engine.memory ? { memory: engine.memory } : {}),
    ...(engine.threads ? { threads: engine.threads } : {}),
  });
}

const manifestOf = async (manifest: string | object, target: string | undefined): Promise<Manifest> =>
  typeof manifest === 'string' ? readManifest(manifest, target) : checkManifest(manifest, 'pipelines.json', target);

/** Looks at everything that a run depends on, and says what to do about what is missing; what cannot be reached is a finding, and no error. */
export async function doctor(
  manifest: string | object,
  options: Pick<OpenOptions, 'target' | 'wait' | 'signal'> = {},
): Promise<Diagnosis> {
  const checked = await manifestOf(manifest, options.target);
  const { diagnose } = await import('./doctor.ts');
  return diagnose(checked, () => openEngine(checked, { ...options, readOnly: true }));
}

/** The least that whoever runs a manifest must be granted on Unity Catalog; `principal` is the service principal of the environment. */
export async function grants(
  manifest: string | object,
  options: Pick<OpenOptions, 'target'> = {},
): Promise<Grants & { readonly principal: string | undefined }> {
  const checked = await manifestOf(manifest, options.target);
  const { engine } = checked;
  const named = engine.type === 'databricks' && !engine.token ? (engine.clientId?.env ?? CLIENT_ID.env) : undefined;
  return { ...grantsOf(checked), principal: named === undefined ? undefined : process.env[named] };
}

/** The whole pipeline of a manifest as files, in the order in which they run; for Databricks as a bundle with a job. Nothing is connected to or written. */
export const compile = async (
  manifest: string | object,
  options: Pick<OpenOptions, 'target'> = {},
): Promise<CompiledFile[]> => compiled(await manifestOf(manifest, options.target));

/** Opens the lakehouse of a manifest: a path of `pipelines.json`, or the manifest itself with paths relative to the working folder. */
export async function open(manifest: string | object, options: OpenOptions = {}): Promise<Lakehouse> {
  const checked = await manifestOf(manifest, options.target);
  const engine = await openEngine(checked, options);
  return {
    manifest: checked,
    engine,
    run: (runOptions) => run(checked, engine, runOptions),
    plan: (planOptions) => planOf(checked, engine, planOptions),
    status: () => statusOf(checked, engine),
    quarantine: (filter) => quarantineOf(engine, filter),
    grants: () => checkGrants(checked, engine),
    query: (statement, values) => engine.query(statement, values),
    close: async () => engine[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}
