import { beforeAll, expect, test } from 'vitest';
import { triage } from '../../src/gold/triage.ts';
import { feedStatements, ownRows, pipelineOf, preparation, rangeRows, routedRows } from '../../src/plan.ts';
import { ROUTED } from '../../src/silver/mapping.ts';
import { spark as dialect } from '../../src/sql/spark.ts';
import { emptyCatalog, manifestOf, onSpark, spark, texts } from './given.ts';

const pipeline = pipelineOf(
  manifestOf({ databricks_audit: { path: 'x' }, cloudtrail: { path: 'x' }, vpc_flow: { path: 'x' } }),
);

/** Fails unless Spark finds every name and type of the statement; EXPLAIN says what is wrong in its result only. */
async function binds(statement: string): Promise<void> {
  const [plan = ''] = await texts(await spark(), `EXPLAIN ${statement}`);
  expect(plan).not.toMatch(/Error occurred|Exception/);
}

const named = <T extends { readonly name: string }>(stages: readonly T[]) =>
  stages.map((stage) => [stage.name, stage] as const);

onSpark('every statement binds on Spark', () => {
  beforeAll(async () => {
    const engine = await spark();
    await emptyCatalog(engine);
    for (const statement of preparation(pipeline, [triage], dialect)) await engine.execute(statement);
  });

  test('a second preparation finds everything there', async () => {
    const engine = await spark();
    for (const statement of preparation(pipeline, [triage], dialect)) await engine.execute(statement);
  });

  test.for(named(pipeline.bronze))('%s: route and feeds', async ([, stage]) => {
    const engine = await spark();
    for (const statement of dialect.keep(ROUTED, routedRows([{ stage, from: 0, until: 1 }])))
      await engine.execute(statement);
    let feeds = 0;
    for (const silver of pipeline.silver)
      for (const statement of feedStatements(silver, stage.source.source, dialect)) {
        await binds(statement);
        feeds++;
      }
    expect(feeds).toBeGreaterThan(0);
  });

  test.for(named(pipeline.ranges))('%s', async ([, stage]) => {
    for (const ranges of [
      'all',
      [
        { from: 0, until: 3_600_000 },
        { from: 7_200_000, until: 10_800_000 },
      ],
    ] as const)
      for (const statement of dialect.replace(stage.table, ownRows(stage, ranges), rangeRows(stage, ranges, dialect)))
        await binds(statement);
  });

  test.for(named(pipeline.views))('%s', async ([, view]) => {
    const engine = await spark();
    await engine.execute(dialect.createView(view.name, view.select));
    await engine.execute(`SELECT * FROM ${view.name}`);
  });
});
