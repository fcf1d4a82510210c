import { createHash } from 'node:crypto';
import { expectationsOf } from './bronze/expectations.ts';
import { DECODE, FAIL, IGNORED, lifted } from './bronze/read.ts';
import { flowNames } from './bronze/sniff.ts';
import { bronzeColumns, type Source } from './bronze/source.ts';
import { type Arrived, arrivedOf, readTable, readTexts, undeclaredIn } from './bronze/texts.ts';
import { UserError } from './errors.ts';
import { findings } from './gold/detection.ts';
import { triage } from './gold/triage.ts';
import type { Manifest, SourceSettings } from './manifest.ts';
import { placeOf, remoteFiles } from './place.ts';
import { type Pipeline, pipelineOf, state } from './plan.ts';
import { sightings } from './silver/dimensions/sightings.ts';
import { silverExpectations } from './silver/expectations.ts';
import { mappings } from './silver/index.ts';
import { classOfRow, ROUTED } from './silver/mapping.ts';
import { type Constraint, databricks, materializedView, streamingTable } from './sql/databricks.ts';
import type { Table } from './sql/dialect.ts';
import { call, identifier, join, literal, type Relation, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage, RangeStage, SilverStage } from './stage.ts';
import { arriveStatements } from './streamed.ts';

/** Statements that run in this order, and the steps that must have come before them, by name. */
export interface Step {
  readonly name: string;
  /** What they make, in one line. */
  readonly about: string;
  readonly statements: readonly string[];
  readonly after: readonly string[];
}

const SCHEMAS = ['bronze', 'silver', 'gold', 'pipeline'];
const PREPARED = 'schemas';
/** A relation's name as a step's. */
export const stepOf = (relation: Relation): string => relation.name.replace('.', '_');

/** No run writes a streaming table, so a record has none; its columns are left out. */
const NO_BATCH = { id: 0, runId: '', at: new Date(0) };
const OF_THE_RUN = ['batch', 'run_id', 'ingested_at'];
const COMMENTS: Readonly<Record<string, string>> = {
  shape: 'Stands for the names of its members',
  fault: 'Why it is in pipeline.quarantine and not in silver',
};
const recordColumns = bronzeColumns
  .filter(({ name }) => !OF_THE_RUN.includes(name))
  .map((column) => ({ ...column, ...(COMMENTS[column.name] && { comment: COMMENTS[column.name] }) }));

const text = (statement: Sql): string => spell(statement, databricks);
const relation = (name: string): Relation => ({ name });
const union = (pieces: readonly Sql[]): Sql => join(pieces, sql`\nUNION ALL\n`);
const columns = (names: readonly { readonly name: string }[]): Sql =>
  join(
    names.map(({ name }) => identifier(name)),
    sql`, `,
  );

/**
 * The table that a definition fills. Its name ends with the definition's hash, so that a changed one fills another table, from
 * everything that arrived, while the old one is read: a streaming table would keep the rows that it has, and a materialized
 * view is either left as it is or always made anew.
 */
const filledBy = (name: string, select: string): Relation =>
  relation(`${name}_${createHash('sha256').update(select).digest('hex').slice(0, 8)}`);

/** Gives what people read the table that is filled now. */
const pointTo = (name: string, filled: Relation): string => databricks.createView(name, sql`SELECT * FROM ${filled}`);

/** The SQL of a manifest as Databricks keeps it up to date itself: streaming tables, materialized views and views; throws a `UserError` for what these cannot do. */
export function declared(manifest: Manifest): Step[] {
  const pipeline = pipelineOf(manifest);
  const filled = new Map<string, Relation>();
  const unfed = new Set<string>();
  const resolve = (one: Relation): Sql | undefined => {
    const table = filled.get(one.name);
    return table && identifier(...table.name.split('.'));
  };
  const fill = (name: string, select: string): Relation => {
    const table = filledBy(name, select);
    filled.set(name, table);
    return table;
  };

  const sources = pipeline.bronze.map((stage) => {
    const settings = manifest.bronze[stage.source.source] ?? {};
    refuseSilverChoices(stage.source.source, settings);
    return bronzeStep(stage, settings, fill);
  });
  const view = (
    stage: { name: string; table: Table; inputs: readonly Relation[] },
    about: string,
    select: Sql,
  ): Step => {
    const spelled = spell(select, databricks, resolve);
    const table = fill(stage.name, spelled);
    const made = materializedView({ ...stage.table, name: table.name }, spelled);
    return {
      name: stepOf(stage),
      about,
      statements: [...made, pointTo(stage.name, table)],
      after: [...new Set(stage.inputs.filter((input) => filled.has(input.name) || unfed.has(input.name)).map(stepOf))],
    };
  };
  const silver = pipeline.silver.map((stage): Step => {
    const about = `OCSF events of the class ${stage.class}`;
    if (stage.feeds.length > 0) return view(stage, about, silverRows(stage));
    unfed.add(stage.name);
    return { name: stepOf(stage), about, statements: [emptyView(stage.table)], after: [PREPARED] };
  });
  const { findingRules, others } = rulesOf(pipeline);
  const rollUps = others.map((stage) => view(stage, 'A roll-up by hour', stage.select));
  const found = {
    name: findings.name,
    table: findings,
    inputs: findingRules.flatMap((stage) => stage.inputs),
  };
  const rules =
    findingRules.length === 0
      ? []
      : [view(found, `What ${findingRules.length} rules found`, union(findingRules.map((s) => s.select)))];
  const tables = [...silver, ...rollUps, ...rules];
  const missing = [findings, sightings].filter((table) => !filled.has(table.name));
  return [
    {
      name: PREPARED,
      about: 'The schemas, and the table in which analysts say what they did with findings',
      statements: [...SCHEMAS.map((name) => databricks.createSchema(name)), databricks.createTable(triage)],
      after: [],
    },
    ...sources.map(({ step }) => step),
    {
      name: stepOf(state.quarantine),
      about: 'The records that no table could take, and the files that could not be read',
      statements: [databricks.createView(state.quarantine.name, quarantined(sources))],
      after: sources.map(({ step }) => step.name),
    },
    ...tables,
    {
      name: 'views',
      about: 'What people read',
      statements: [...missing.map(emptyView), ...pipeline.views.map((v) => databricks.createView(v.name, v.select))],
      after: [PREPARED, ...[findings, sightings].filter((table) => filled.has(table.name)).map(stepOf)],
    },
  ];
}

const rulesOf = ({ ranges }: Pipeline): { findingRules: RangeStage[]; others: RangeStage[] } => ({
  findingRules: ranges.filter((stage) => stage.table.name === findings.name),
  others: ranges.filter((stage) => stage.table.name !== findings.name),
});

/** Materialized views of a warehouse have no expectations, so that nothing but counting nothing is left. */
function refuseSilverChoices(source: string, { expect = {} }: SourceSettings): void {
  for (const { name } of silverExpectations) {
    const choice = (expect as Readonly<Record<string, string | undefined>>)[name];
    if (choice !== undefined && choice !== 'warn')
      throw new UserError(
        `bronze.${source}.expect.${name}: "${choice}" cannot be compiled, for a materialized view of a warehouse has no expectations: leave it out, or let "run" take the records in.`,
      );
  }
}

/** A source's step, with the tables in which its files arrive. */
interface SourceStep {
  readonly step: Step;
  readonly stage: BronzeStage;
  readonly arrived: readonly Arrived[];
}

function bronzeStep(
  stage: BronzeStage,
  settings: SourceSettings,
  fill: (name: string, select: string) => Relation,
): SourceStep {
  const { source } = stage;
  const place = placeOf(settings);
  const arrived = place.kind === 'files' ? arrivedOf(source, place.paths) : [];
  const header = settings.format === undefined ? undefined : flowNames(settings.format.replace(/[${}]/g, ''));
  const read =
    place.kind === 'table'
      ? readTable(source, place.table, sql`SELECT * FROM STREAM ${relation(place.table)} WITH (SKIPCHANGECOMMITS)`)
      : readTexts(
          source,
          union(arrived.map(({ files }) => sql`SELECT path AS file, text FROM STREAM ${files}`)),
          header,
        );
  const expected = expectationsOf(source.source, settings.expect);
  const records = lifted(source, read, NO_BATCH, expected);
  const strict = expected.find((one) => one.settled && one.otherwise !== 'warn');
  const judged = strict
    ? undeclaredFault(source, records, (strict.otherwise === 'fail' ? FAIL : '') + strict.reason)
    : records;
  const fault = sql`CASE WHEN startswith(fault, ${DECODE}) THEN substring(fault, ${DECODE.length + 1}) ELSE fault END`;
  const kept = recordColumns.filter(({ name }) => name !== 'fault');
  const typed = kept.map(({ name, type }) =>
    call((f) => sql`${f.cast(identifier(name), type)} AS ${identifier(name)}`),
  );
  const select = sql`SELECT ${join(typed, sql`, `)}, ${fault} AS fault FROM (\n${judged}\n) AS records`;
  const constraints = expected.flatMap(({ name, holds, otherwise, reason, settled }): Constraint[] => {
    if (otherwise === 'warn')
      return settled ? [] : [{ name, otherwise, holds: sql`fault IS NOT NULL OR coalesce(${holds}, FALSE)` }];
    const refused = sql`startswith(fault, ${otherwise === 'fail' ? FAIL + reason : reason})`;
    // A record that is dropped stays, with its fault, for the quarantine.
    return [{ name, otherwise: otherwise === 'fail' ? 'fail' : 'warn', holds: sql`NOT coalesce(${refused}, FALSE)` }];
  });
  const table = fill(stage.name, text(select));
  const made = streamingTable(
    { ...stage.table, name: table.name, columns: recordColumns, cluster: ['time'] },
    select,
    constraints,
    { 'delta.enableRowTracking': 'true' },
  );
  return {
    stage,
    arrived,
    step: {
      name: stepOf(stage),
      about: `${source.title} as it arrives`,
      statements: [
        ...arrived.flatMap((one) => arriveStatements(one, remoteFiles(source.source, one.path))),
        made,
        pointTo(stage.name, table),
      ],
      after: [PREPARED],
    },
  };
}

/** Gives records with fields that their source does not declare their fault; asked of each record, for there is no memory of shapes. */
function undeclaredFault(source: Source, records: Sql, reason: string): Sql {
  const kept = recordColumns.filter(({ name }) => name !== 'fault');
  const named = sql`array_join(transform(undeclared, u -> u.field), ', ')`;
  return sql`SELECT ${columns(kept)}, CASE WHEN size(undeclared) > 0 THEN ${`${reason}: `} || ${named} ELSE fault END AS fault FROM (
  SELECT *, CASE WHEN fault IS NULL THEN ${undeclaredIn(source, sql`raw`)} END AS undeclared FROM (\n${records}\n) AS records) AS judged`;
}

/** The rows of a class: those of its records, the first of those that are the same by id and content. */
function silverRows(stage: SilverStage): Sql {
  const sources = [...new Map(stage.feeds.map(({ source }) => [source.source, source])).values()];
  const routed = sources.map((source) => {
    const classOf = classOfRow(mappings.filter((m) => m.source.source === source.source));
    return sql`SELECT ${literal(source.source)} AS source, ${literal(stage.class)} AS class, uid, time, service, action, hash, raw FROM (
  SELECT *, row_number() OVER (PARTITION BY uid, hash ORDER BY file NULLS LAST, position NULLS LAST, raw NULLS LAST) AS nth FROM ${source}
  WHERE fault IS NULL AND ${classOf} = ${stage.class}) AS ranked WHERE nth = 1`;
  });
  return sql`WITH ${identifier(ROUTED)} AS (\n${union(routed)}\n)\n${union(stage.feeds.map((feed) => feed.select))}`;
}

const UNREAD = 'no text: it is damaged, or may not be read';

/** What of each source could not be taken in: records with a fault, and files that came without a text. */
const quarantined = (sources: readonly SourceStep[]): Sql =>
  union(
    sources.flatMap(({ stage, arrived }) => [
      sql`SELECT ${literal(stage.source.source)} AS source, file, position, fault AS reason, left(coalesce(raw, 'null'), 65536) AS text
FROM ${stage.source} WHERE fault IS NOT NULL AND NOT startswith(fault, ${IGNORED})`,
      ...arrived.map(
        ({ files, listing }) =>
          sql`SELECT ${literal(stage.source.source)} AS source, l.path AS file, CAST(NULL AS BIGINT) AS position, ${literal(UNREAD)} AS reason, CAST(NULL AS STRING) AS text
FROM ${listing} AS l ANTI JOIN ${files} AS f ON f.path = l.path AND f.mtime >= l.mtime`,
      ),
    ]),
  );

/** What others read though nothing fills it. */
function emptyView(table: Table): string {
  const nothing = table.columns.map(({ name, type }) =>
    call((f) => sql`${f.cast(sql`NULL`, type)} AS ${identifier(name)}`),
  );
  return databricks.createView(table.name, sql`SELECT ${join(nothing, sql`, `)} WHERE FALSE`);
}
