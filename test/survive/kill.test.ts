import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { random } from '../../samples/random.ts';
import type { SourceName } from '../../samples/source.ts';
import { open } from '../../src/index.ts';
import { all, digest, manifestOf, temporary, value } from './given.ts';
import { fileOf, forms, pool } from './pool.ts';

const KILLS = Number(process.env.SURVIVE_KILLS ?? 100);
const KILLS_IN_A_ROW = 8;
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

/** What the test sends to start the run. */
interface Go {
  readonly manifest: object;
  readonly batch: { readonly files: number; readonly rows: number };
}

/** What the process says on its way: it is ready, a stage began or ended, it is done. */
type Said = { readonly at: string } | { readonly ready: true } | { readonly done: boolean };

let compiled = '';
beforeAll(async () => {
  await mkdir('node_modules/.cache', { recursive: true });
  compiled = await mkdtemp(join(process.cwd(), 'node_modules/.cache/survive-'));
  const tsc = join(process.cwd(), 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', 'tsconfig.build.json', '--outDir', compiled, '--noCheck']);
}, 120_000);
afterAll(() => rm(compiled, { recursive: true, force: true }));

/** A process that has loaded everything and waits for the word. */
function waiting(): { child: ChildProcess; ready: Promise<unknown>; said: Said[]; gold: Promise<number> } {
  const script = fileURLToPath(new URL('killed.mjs', import.meta.url));
  const child = fork(script, [join(compiled, 'src/index.js')], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const said: Said[] = [];
  const gold = new Promise<number>((resolve) => {
    child.on('message', (message: Said) => {
      said.push(message);
      if ('at' in message && message.at.startsWith('after silver')) resolve(performance.now());
    });
  });
  const ended = once(child, 'exit').then(([code]) => {
    if (said.length === 0) throw new Error(`the process ended with ${code} before it was ready`);
  });
  const ready = Promise.race([once(child, 'message'), ended]);
  ready.catch(() => undefined);
  return { child, ready, said, gold };
}

const phaseOf = (said: readonly Said[]): string => {
  const last = said.flatMap((s) => ('at' in s ? [s.at.replace('after ', '')] : [])).at(-1) ?? 'opening';
  return last.split(/[. ]/)[0] ?? last;
};

test(`a run that is killed at ${KILLS} random moments and run again ends like one that nobody disturbed`, async () => {
  await using folder = await temporary();
  await corpus(folder.path);
  const go = (name: string): Go => ({
    manifest: manifestOf(folder.path, { ...stages, lakehouse: join(folder.path, name) }),
    batch,
  });
  let next = waiting();
  const start = async (lakehouse: string) => {
    const process = next;
    next = waiting();
    await process.ready;
    process.child.send(go(lakehouse));
    return process;
  };
  const finished = async (lakehouse: string): Promise<{ duration: number; gold: number }> => {
    const { child, said, gold } = await start(lakehouse);
    const started = performance.now();
    await once(child, 'exit');
    expect(said.at(-1)).toEqual({ done: true });
    const ended = performance.now();
    return { duration: ended - started, gold: ended - (await gold) };
  };
  const digestOf = async (lakehouse: string) => {
    await using lake = await open(go(lakehouse).manifest, { readOnly: true });
    return await digest(lake.engine);
  };

  const { duration, gold: inGold } = await finished('undisturbed.duckdb');
  const undisturbed = await digestOf('undisturbed.duckdb');
  const chance = random(20261105, 4, 1);
  const phases = new Map<string, number>();
  let kills = 0;
  for (let chain = 0; kills < KILLS; chain++) {
    const lakehouse = `${chain}.duckdb`;
    let done = false;
    for (let k = 0; k < KILLS_IN_A_ROW && !done && kills < KILLS; k++) {
      const { child, said, gold } = await start(lakehouse);
      const exit = once(child, 'exit');
      // Gold takes the least time of a run: every third moment is one of it.
      const at = chance.fraction();
      const moment = k % 3 === 2 ? gold.then(() => pause(at * inGold)) : pause(at * duration);
      await Promise.race([exit, moment]);
      done = said.some((s) => 'done' in s);
      if (!done) {
        child.kill('SIGKILL');
        kills++;
        const phase = phaseOf(said);
        phases.set(phase, (phases.get(phase) ?? 0) + 1);
      }
      await exit;
      if (kills % 2 === 0) await whole(go(lakehouse).manifest);
    }
    await finished(lakehouse);
    expect(await digestOf(lakehouse), `chain ${chain}`).toEqual(undisturbed);
  }
  next.child.kill('SIGKILL');
  process.stderr.write(
    `killed ${kills} times in runs of ${Math.round(duration)} ms, during ${JSON.stringify(Object.fromEntries(phases))}\n`,
  );
  for (const phase of ['bronze', 'silver', 'gold']) expect(phases.get(phase) ?? 0, phase).toBeGreaterThan(KILLS / 20);
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
