import { expectationsOf } from './bronze/expectations.ts';
import type { FileGroup } from './bronze/read.ts';
import { flowNames } from './bronze/sniff.ts';
import { readTable } from './bronze/texts.ts';
import { carriedRecords } from './carried.ts';
import { declared, type Step, stepOf } from './declared.ts';
import { findings } from './gold/detection.ts';
import { triage } from './gold/triage.ts';
import { BUNDLE, bundleOf, JOB, jobOf } from './job.ts';
import type { Manifest, SourceSettings } from './manifest.ts';
import { filesHere, placeOf } from './place.ts';
import {
  arrivalStatements,
  type Batch,
  EVER,
  feedStatements,
  ownRows,
  pipelineOf,
  preparation,
  rangeRows,
  routedRows,
  settlement,
} from './plan.ts';
import { sightings } from './silver/dimensions/sightings.ts';
import { ROUTED } from './silver/mapping.ts';
import type { Dialect } from './sql/dialect.ts';
import { duckdb } from './sql/duckdb.ts';
import { spark } from './sql/spark.ts';
import type { BronzeStage } from './stage.ts';
import { arrival, tableRows } from './streamed.ts';

/** One file of a compiled pipeline; `/` parts the folders of its path. */
export interface CompiledFile {
  readonly path: string;
  readonly content: string;
}

/** The first words of every compiled file, after the sign of a comment: who wrote it, and that it will again. */
export const WRITTEN = 'Written by ocsf-medallion compile, which writes it anew: what is changed here is lost.';

const NO_BATCH: Batch = { id: 1, runId: ':run_id', at: new Date(0) };

const comment = (sign: string, ...lines: readonly string[]): string =>
  [WRITTEN, ...lines].map((line) => `${sign} ${line.replaceAll(/\s+/g, ' ')}\n`).join('');

const sqlFiles = (steps: readonly Step[], first: readonly string[]): CompiledFile[] =>
  steps.map(({ name, about, statements }, i) => ({
    path: `sql/${String(i).padStart(2, '0')}_${name}.sql`,
    content: `${comment('--', about)}\n${[...first, ...statements].map((s) => `${s};\n`).join('\n')}`,
  }));

/** The whole pipeline of a manifest as files, in the order in which they run; nothing is connected to. For Databricks they are a bundle with a job. Throws a `UserError` for what the engine cannot do. */
export function compiled(manifest: Manifest): CompiledFile[] {
  const { engine } = manifest;
  if (engine.type !== 'databricks') return sqlFiles(statements(manifest, engine.type === 'spark' ? spark : duckdb), []);
  const steps = declared(manifest);
  const files = sqlFiles(steps, ['USE CATALOG IDENTIFIER(:catalog)']);
  const tasks = steps.map(({ name, after }, i) => ({ name, after, file: files[i]?.path ?? '' }));
  const yaml = (path: string, about: string, value: object): CompiledFile => ({
    path,
    // JSON is YAML too.
    content: `${comment('#', about)}${JSON.stringify(value, null, 2)}\n`,
  });
  return [
    yaml(
      'databricks.yml',
      `The bundle ${BUNDLE}: "databricks bundle deploy" takes it to a workspace.`,
      bundleOf(engine),
    ),
    yaml(`resources/${JOB}.job.yml`, 'The job that runs the files of sql/.', jobOf(tasks)),
    ...files,
  ];
}

/** What a first run executes, stage by stage. What only the run knows stands there as a mark, such as `:records`. */
function statements(manifest: Manifest, dialect: Dialect): Step[] {
  const pipeline = pipelineOf(manifest);
  const batches = new Map<string, number>();
  const bronze = pipeline.bronze.map((stage) => {
    const { batches: n, statements } = arriving(stage, manifest.bronze[stage.source.source] ?? {}, dialect);
    batches.set(stage.name, n);
    return { name: stepOf(stage), about: `${stage.source.title} into ${stage.name}`, statements };
  });
  const silver = pipeline.silver.map((stage) => ({
    name: stepOf(stage),
    about: `Records into ${stage.name}`,
    statements: pipeline.bronze
      .filter(({ source }) => stage.feeds.some((feed) => feed.source === source))
      .flatMap((from) => [
        ...dialect.keep(ROUTED, routedRows([{ stage: from, from: 0, until: batches.get(from.name) ?? 1 }])),
        ...feedStatements(stage, from.source.source, dialect),
        ...dialect.drop(ROUTED),
      ]),
  }));
  const ranges = pipeline.ranges.map((stage) => ({
    name: stepOf(stage),
    about: `${stage.name} into ${stage.table.name}`,
    statements: dialect.replace(stage.table, ownRows(stage, 'all'), rangeRows(stage, 'all', dialect)),
  }));
  const steps = [
    {
      name: 'tables',
      about: 'Schemas and tables',
      statements: preparation(pipeline, [triage, findings, sightings], dialect),
    },
    ...bronze,
    ...silver,
    ...ranges,
    {
      name: 'views',
      about: 'What people read',
      statements: pipeline.views.map((view) => dialect.createView(view.name, view.select)),
    },
  ];
  return steps.map((step, i) => ({ ...step, after: steps.slice(Math.max(0, i - 1), i).map(({ name }) => name) }));
}

/** How the files of a pattern are read by what its name says, for no file is looked at. */
function groupOf({ source }: BronzeStage, pattern: string, header: readonly string[] | undefined): FileGroup {
  const files = [pattern];
  const gzip = pattern.endsWith('.gz');
  if (/\.parquet$/.test(pattern)) return { layout: 'parquet', files };
  if (source.content === 'text') return { layout: 'text', gzip, files, header };
  const lines = /\.(jsonl|ndjson)(\.gz)?$/.test(pattern);
  return { layout: lines ? 'lines' : 'document', gzip, files, largest: 0, header };
}

/** Statements that take in a source, and the number of their batches, which count from 1. */
function arriving(
  stage: BronzeStage,
  settings: SourceSettings,
  dialect: Dialect,
): { readonly batches: number; readonly statements: string[] } {
  const { source } = stage.source;
  const place = placeOf(settings);
  const expected = expectationsOf(source, settings.expect);
  const here = filesHere(source, settings, dialect);
  if (place.kind === 'table') {
    const steps = arrival(stage, NO_BATCH, expected, dialect);
    const rows = readTable(stage.source, place.table, tableRows(place.table, EVER.from, EVER.until));
    return {
      batches: 1,
      statements: [
        steps.clear,
        ...steps.readNew(place.table, rows, EVER.from, EVER.until),
        ...steps.rememberShapes,
        ...steps.refuse,
        ...steps.toQuarantine,
        ...steps.intoBronze(undefined),
      ],
    };
  }
  if (dialect.files !== 'read' || !here)
    return { batches: NO_BATCH.id, statements: carriedRecords(stage, ':records', undefined, dialect) };
  const header = settings.format === undefined ? undefined : flowNames(settings.format.replace(/[${}]/g, ''));
  const read = here.map((pattern, i) => {
    const batch = { ...NO_BATCH, id: i + 1 };
    const group = groupOf(stage, pattern, header);
    const steps = settlement(stage, group, batch, dialect);
    return [
      ...arrivalStatements(stage, group, batch, dialect, expected),
      ...(steps.needsNumbers ? [steps.numberLines] : []),
      steps.newcomers,
      steps.rememberShapes,
      ...expected.filter((one) => one.settled && one.otherwise !== 'warn').map(steps.refuse),
      ...steps.toQuarantine,
      steps.dropFaulty,
      steps.suspects,
      steps.dropDuplicates,
    ];
  });
  return { batches: here.length, statements: read.flat() };
}
