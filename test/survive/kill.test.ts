import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { random } from '../../samples/random.ts';
import type { SourceName } from '../../samples/source.ts';
import { open } from '../../src/index.ts';
import { all, digest, manifestOf, temporary, value } from './given.ts';
import { fileOf, forms, pool } from './pool.ts';

const KILLS = Number(process.env.SURVIVE_KILLS ?? 120);
const SEED = Number(process.env.SURVIVE_SEED ?? 1);
/** Chains of killed runs that go on beside each other. */
const LANES = 2;
const LONGEST_MS = 4;
const FILES = 3;
const batch = { files: 1, rows: 25 };
const sources: readonly SourceName[] = ['cloudtrail', 'databricks_audit', 'vpc_flow'];
const stages = {
  silver: ['authentication', 'network_activity'],
  detections: [
    'console_login_without_mfa',
    'failed_sign_in_burst',
    'password_spray',
    'port_scan',
    'rejected_flows_spike',
  ],
  summaries: ['sign_ins_hourly', 'network_hourly'],
};

/** Every source in a few files that overlap, so that duplicates cross batches. */
async function corpus(folder: string): Promise<void> {
  for (const source of sources) {
    const records = pool.filter((record) => record.source === source);
    await mkdir(join(folder, source), { recursive: true });
    for (let i = 0; i < FILES; i++) {
      const form = forms[i % forms.length] ?? 'lines';
      const part = records.filter((_, n) => n % FILES === i || n % 7 === i);
      await writeFile(join(folder, source, `${i}`), fileOf(source, form, part));
    }
  }
}

/** The parts of a run. In a chain of runs over one lakehouse each part is killed in this order, so that every kill finds work. */
const phases = ['opening', 'bronze', 'bronze', 'silver', 'silver', 'gold', 'gold', 'closing', 'checkpoint'] as const;
type Phase = (typeof phases)[number];

/** What the test sends to start a run, which may kill itself at a statement. */
interface Go {
  readonly manifest: object;
  readonly batch: { readonly files: number; readonly rows: number };
  readonly kill?: { readonly phase: Phase; readonly statement: number; readonly milliseconds: number };
}

/** What a run that came to its end says: how many statements each part of it took. */
interface Done {
  readonly ok: boolean;
  readonly statements: Readonly<Partial<Record<Phase, number>>>;
}

let compiled = '';
beforeAll(async () => {
  await mkdir('node_modules/.cache', { recursive: true });
  compiled = await mkdtemp(join(process.cwd(), 'node_modules/.cache/survive-'));
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', 'tsconfig.build.json', '--outDir', compiled, '--noCheck']);
}, 120_000);
afterAll(() => rm(compiled, { recursive: true, force: true }));

/** A process that has loaded everything and waits for the word. */
interface Waiting {
  readonly child: ChildProcess;
  readonly ready: Promise<unknown>;
}

function waiting(): Waiting {
  const script = fileURLToPath(new URL('killed.mjs', import.meta.url));
  const child = fork(script, [join(compiled, 'src/index.js')], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process ended with ${code} before it was ready`);
  });
  const ready = Promise.race([once(child, 'message'), ended]);
  ready.catch(() => undefined);
  return { child, ready };
}

/** Runs in processes of their own, each of which was started while the one before it ran. */
class Lane implements Disposable {
  #next = waiting();

  /** What the run says at its end; undefined where it was killed. */
  async run(go: Go): Promise<Done | undefined> {
    const { child, ready } = this.#next;
    this.#next = waiting();
    await ready;
    let done: Done | undefined;
    child.on('message', (message: Done) => {
      done = message;
    });
    child.send(go);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (done === undefined && signal !== 'SIGKILL') throw new Error(`a run ended by itself with ${signal ?? code}`);
    return done;
  }

  [Symbol.dispose](): void {
    this.#next.child.kill('SIGKILL');
  }
}

test(`a run that is killed at ${KILLS} random moments and run again ends like one that nobody disturbed`, async () => {
  await using folder = await temporary();
  await corpus(folder.path);
  const go = (name: string): Go => ({
    manifest: manifestOf(folder.path, { ...stages, lakehouse: join(folder.path, name) }),
    batch,
  });
  const digestOf = async (lakehouse: string) => {
    await using lake = await open(go(lakehouse).manifest, { readOnly: true });
    return await digest(lake.engine);
  };
  const started = performance.now();
  const { statements } = await (async () => {
    using lane = new Lane();
    const done = await lane.run(go('undisturbed.duckdb'));
    if (!done?.ok) throw new Error('the undisturbed run failed');
    return done;
  })();
  const undisturbed = await digestOf('undisturbed.duckdb');
  const killed = new Map<Phase, number>();
  let kills = 0;
  let chains = 0;

  /** One lakehouse: its runs are killed in each part in turn, then one comes to its end. */
  async function chain(lane: Lane, number: number): Promise<void> {
    const chance = random(SEED, 4, number);
    const struck = new Map<Phase, number>();
    const lakehouse = `${number}.duckdb`;
    for (const phase of phases) {
      const before = struck.get(phase) ?? 0;
      const statement = 1 + chance.below(Math.max(1, (statements[phase] ?? 0) - before));
      const kill = { phase, statement, milliseconds: LONGEST_MS * chance.fraction() };
      if (await lane.run({ ...go(lakehouse), kill })) continue;
      kills++;
      struck.set(phase, before + statement);
      killed.set(phase, (killed.get(phase) ?? 0) + 1);
      await whole(go(lakehouse).manifest);
    }
    expect((await lane.run(go(lakehouse)))?.ok).toBe(true);
    expect(await digestOf(lakehouse), `chain ${number}, SURVIVE_SEED=${SEED}`).toEqual(undisturbed);
    await rm(join(folder.path, lakehouse));
  }
  await Promise.all(
    Array.from({ length: LANES }, async () => {
      using lane = new Lane();
      while (kills < KILLS) await chain(lane, chains++);
    }),
  );
  process.stderr.write(
    `killed ${kills} times in ${chains} lakehouses within ${Math.round((performance.now() - started) / 1000)} s, during ${JSON.stringify(Object.fromEntries(killed))}\n`,
  );
  for (const phase of ['bronze', 'silver', 'gold'] as const)
    expect(killed.get(phase) ?? 0, phase).toBeGreaterThan(KILLS / 8);
}, 1_500_000);

/** What is committed belongs together: records, ledger and quarantine of each batch. */
async function whole(manifest: object): Promise<void> {
  await using lake = await open(manifest, { readOnly: true });
  const there = await value(
    lake,
    `SELECT count(*) FROM information_schema.tables WHERE table_schema = 'pipeline' AND table_name = 'files'`,
  );
  if (there === '0') return;
  for (const source of sources) {
    const bronze = await value(
      lake,
      `SELECT count(*) FROM information_schema.tables WHERE table_schema = 'bronze' AND table_name = '${source}'`,
    );
    if (bronze === '0') continue;
    const [row] = await all<{ ledger: bigint; stored: bigint; refused: bigint; kept: bigint }>(
      lake,
      `SELECT (SELECT coalesce(sum(stored), 0)::BIGINT FROM pipeline.files WHERE source = '${source}') AS ledger,
        (SELECT count(*) FROM bronze.${source}) AS stored,
        (SELECT coalesce(sum(quarantined), 0)::BIGINT FROM pipeline.files WHERE source = '${source}') AS refused,
        (SELECT count(*) FROM pipeline.quarantine WHERE source = '${source}') AS kept`,
    );
    expect(row?.ledger).toEqual(row?.stored);
    expect(row?.refused).toEqual(row?.kept);
  }
}
