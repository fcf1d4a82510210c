import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceName } from '../../samples/source.ts';
import { digest, lakehouse, temporary } from './given.ts';
import { type Form, fileOf, forms, pool } from './pool.ts';

/** A file that arrives before one of the runs; the same path again overwrites it. */
interface Arrival {
  readonly run: number;
  readonly path: string;
  readonly form: Form;
  readonly records: readonly string[];
}

type Stages = NonNullable<Parameters<typeof lakehouse>[1]>;

const byName = new Map(pool.map((record) => [record.name, record]));
const named = (names: readonly string[]) => names.flatMap((name) => byName.get(name) ?? []);
const namesOf = (source: SourceName) => pool.filter((record) => record.source === source).map((record) => record.name);
const sources: readonly SourceName[] = ['cloudtrail', 'databricks_audit', 'vpc_flow'];

const arrival = fc.constantFrom(...sources).chain((source) =>
  fc.record({
    source: fc.constant(source),
    run: fc.nat({ max: 2 }),
    form: fc.constantFrom(...forms),
    records: fc.subarray(namesOf(source), { minLength: 1 }),
    place: fc.nat({ max: 3 }),
  }),
);

/** Files in some order of runs; a file whose path is taken in the same run goes beside it. */
const arrivals: fc.Arbitrary<readonly Arrival[]> = fc.array(arrival, { minLength: 1, maxLength: 6 }).map((all) => {
  const taken = new Set<string>();
  return all.map(({ source, run, form, records, place }): Arrival => {
    let path = `${source}/${place}`;
    while (taken.has(`${run} ${path}`)) path += '+';
    taken.add(`${run} ${path}`);
    return { run, path, form, records };
  });
});

async function deliver(folder: string, { path, form, records }: Omit<Arrival, 'run'>): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, fileOf(path.split('/')[0] as SourceName, form, named(records)));
}

async function inRuns(runs: readonly (readonly Omit<Arrival, 'run'>[])[], stages: Stages) {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, stages);
  for (const files of runs) {
    for (const file of files) await deliver(folder.path, file);
    const result = await lake.run();
    expect(result.stages.filter((s) => s.error !== undefined)).toEqual([]);
  }
  return await digest(lake.engine);
}

async function sameAsOneRun(all: readonly Arrival[], stages: Stages): Promise<void> {
  const split = await inRuns(
    [...new Set(all.map((a) => a.run))].sort().map((run) => all.filter((a) => a.run === run)),
    stages,
  );
  const union = sources.flatMap((source) => {
    const files = all.filter((a) => a.path.startsWith(source));
    const held = new Set(
      files.flatMap((a) =>
        named(a.records)
          .filter((r) => fits(r, a.form))
          .map((r) => r.name),
      ),
    );
    const records = namesOf(source).filter((name) => held.has(name));
    return records.length === 0 ? [] : [{ path: `${source}/all`, form: 'lines' as const, records }];
  });
  const { 'pipeline.quarantine': _, ...whole } = await inRuns([union], stages);
  expect(split).toMatchObject(whole);
}

const fits = (record: (typeof pool)[number], form: Form): boolean =>
  !record.broken || record.source === 'vpc_flow' || form === 'lines' || form === 'gzip';

const windows: Stages = {
  silver: ['authentication', 'network_activity'],
  detections: ['failed_sign_in_burst', 'password_spray', 'port_scan', 'rejected_flows_spike'],
  summaries: ['sign_ins_hourly', 'network_hourly'],
};

const CASES = Number(process.env.SURVIVE_CASES ?? 200);
const seed = Number(process.env.SURVIVE_SEED ?? 20261105);

/** Half of the cases each, beside each other: the database works on one while this thread prepares the other. A counterexample shrinks and is printed with its seed. */
const hold = async (stages: Stages, cases: number): Promise<void> => {
  const halves = [0, 1].map((half) =>
    fc.assert(
      fc.asyncProperty(arrivals, (all) => sameAsOneRun(all, stages)),
      { numRuns: Math.ceil(cases / 2), seed: seed + half, endOnFailure: false },
    ),
  );
  await Promise.all(halves);
};

test('however files are split into runs, overwritten and repeated, sliding windows and summaries end alike', async () => {
  await hold(windows, CASES);
}, 600_000);

test('the same with every class, rule and summary', async () => {
  await hold({}, CASES / 20);
}, 600_000);
