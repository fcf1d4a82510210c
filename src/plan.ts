import { nearNames } from '../ocsf/schema.ts';
import type { Expectation } from './bronze/expectations.ts';
import { sources } from './bronze/index.ts';
import { arrivals, DECODE, FAIL, type FileGroup, IGNORED } from './bronze/read.ts';
import { shapes, undeclared } from './bronze/shape.ts';
import { bronzeColumns } from './bronze/source.ts';
import { UserError } from './errors.ts';
import { detections, summaries, views } from './gold/index.ts';
import type { Manifest } from './manifest.ts';
import { dimensions } from './silver/dimensions/index.ts';
import { sightingsStage } from './silver/dimensions/sightings.ts';
import type { SilverExpectation } from './silver/expectations.ts';
import { mappings } from './silver/index.ts';
import { classOfRow, type Mapping, ROUTED, withRawData } from './silver/mapping.ts';
import { silverStages } from './silver/stages.ts';
import type { Dialect, Table } from './sql/dialect.ts';
import { hashOf } from './sql/hash.ts';
import { identifier, join, list, literal, type Relation, type Resolve, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage, Feed, RangeStage, SilverStage, Stage, ViewStage } from './stage.ts';

/** The stages of a manifest, each after what it reads. */
export interface Pipeline {
  readonly bronze: readonly BronzeStage[];
  readonly silver: readonly SilverStage[];
  readonly ranges: readonly RangeStage[];
  readonly views: readonly ViewStage[];
}

const table = (name: string, columns: Table['columns']): Table & Relation => ({ name: `pipeline.${name}`, columns });

/** The pipeline's own tables, on the same engine as the data. */
export const state = {
  files: table('files', [
    { name: 'source', type: 'text' },
    { name: 'path', type: 'text' },
    { name: 'size', type: 'long' },
    { name: 'mtime', type: 'long' },
    { name: 'content_hash', type: 'text' },
    { name: 'status', type: 'text' },
    { name: 'error', type: 'text' },
    { name: 'records', type: 'long' },
    { name: 'stored', type: 'long' },
    { name: 'duplicates', type: 'long' },
    { name: 'quarantined', type: 'long' },
    { name: 'ignored', type: 'long' },
    { name: 'batch', type: 'long' },
    { name: 'run_id', type: 'text' },
    { name: 'ingested_at', type: 'timestamp' },
  ]),
  quarantine: table('quarantine', [
    { name: 'source', type: 'text' },
    { name: 'file', type: 'text' },
    { name: 'position', type: 'long' },
    { name: 'reason', type: 'text' },
    { name: 'text', type: 'text' },
    { name: 'batch', type: 'long' },
    { name: 'run_id', type: 'text' },
    { name: 'quarantined_at', type: 'timestamp' },
  ]),
  watermarks: table('watermarks', [
    { name: 'stage', type: 'text' },
    { name: 'input', type: 'text' },
    { name: 'position', type: 'long' },
  ]),
  changes: table('changes', [
    { name: 'id', type: 'long' },
    { name: 'relation', type: 'text' },
    { name: 'hour', type: 'long' },
  ]),
  shapes,
  definitions: table('definitions', [
    { name: 'stage', type: 'text' },
    { name: 'hash', type: 'text' },
  ]),
  runs: table('runs', [
    { name: 'run_id', type: 'text' },
    { name: 'version', type: 'text' },
    { name: 'started_at', type: 'timestamp' },
    { name: 'ended_at', type: 'timestamp' },
    { name: 'ok', type: 'boolean' },
    { name: 'error', type: 'text' },
  ]),
  expectations: table('expectations', [
    { name: 'run_id', type: 'text' },
    { name: 'stage', type: 'text' },
    { name: 'name', type: 'text' },
    { name: 'action', type: 'text' },
    { name: 'records', type: 'long' },
  ]),
  stages: table('stages', [
    { name: 'run_id', type: 'text' },
    { name: 'name', type: 'text' },
    { name: 'rows_in', type: 'long' },
    { name: 'rows_out', type: 'long' },
    { name: 'rows_quarantined', type: 'long' },
    { name: 'seconds', type: 'double' },
    { name: 'error', type: 'text' },
  ]),
} as const;

const bare = (name: string): string => name.slice(name.indexOf('.') + 1);
const chosen = <T extends Relation>(all: readonly T[], selection: 'all' | readonly string[]): T[] =>
  all.filter((stage) => selection === 'all' || selection.includes(bare(stage.name)));

/** Stages in an order in which each comes after its inputs. */
function ordered<T extends Stage>(stages: readonly T[]): T[] {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const done = new Set<T>();
  const visit = (stage: T): void => {
    if (done.has(stage)) return;
    for (const input of stage.inputs) {
      const before = byName.get(input.name);
      if (before && before !== stage) visit(before);
    }
    done.add(stage);
  };
  for (const stage of stages) visit(stage);
  return [...done];
}

/** How a source's records go to their classes: a change of it moves rows between tables, so that each must be filled anew. */
const routing = (source: string): Sql => classOfRow(mappings.filter((m) => m.source.name === source));

let plainStages: SilverStage[] | undefined;
/** The silver stages of these mappings; those of mappings as they are defined are made once, for that takes longer than many a run. */
const stagesOf = (wished: readonly Mapping[]): SilverStage[] => {
  if (wished.some((mapping, i) => mapping !== mappings[i])) return silverStages(wished);
  plainStages ??= silverStages(mappings);
  return plainStages;
};

type Chosen = Pick<Manifest, 'bronze' | 'silver' | 'gold'>;
const pipelines = new WeakMap<Chosen, Pipeline>();

/** The stages of a manifest. A rule or summary whose inputs the manifest leaves out is left out too. */
export function pipelineOf(manifest: Chosen): Pipeline {
  const before = pipelines.get(manifest);
  if (before) return before;
  const made = makePipeline(manifest);
  pipelines.set(manifest, made);
  return made;
}

function makePipeline(manifest: Chosen): Pipeline {
  const bronze = Object.keys(manifest.bronze).map((name): BronzeStage => {
    const source = sources[name];
    if (!source) throw new UserError(`There is no source "${name}"; valid: ${Object.keys(sources).join(', ')}`);
    const bronzeTable = { name: source.name, columns: bronzeColumns, cluster: ['time'] };
    return { kind: 'bronze', name: source.name, source, table: bronzeTable, inputs: [], hash: hashOf(bronzeTable) };
  });
  const wished = mappings.map((m) => (manifest.bronze[m.source.source]?.raw_data ? withRawData(m) : m));
  const silver = chosen(stagesOf(wished), manifest.silver).map((stage) => ({
    ...stage,
    feeds: stage.feeds.filter((feed) => feed.source.source in manifest.bronze),
    hash: hashOf(undefined, literal(stage.hash), ...stage.inputs.map((input) => routing(input.name))),
  }));
  const known = new Map<string, string>(silver.map((stage) => [stage.name, stage.hash]));
  const candidates = ordered<RangeStage>([
    sightingsStage,
    ...chosen(summaries, manifest.gold.summaries),
    ...chosen(detections, manifest.gold.detections),
  ]);
  const ranges = candidates.flatMap((stage) => {
    if (!stage.inputs.every((input) => known.has(input.name))) return [];
    const hash = hashOf(
      undefined,
      ...[stage.hash, ...stage.inputs.map((i) => known.get(i.name) ?? '')].map((h) => literal(h)),
    );
    known.set(stage.name, hash);
    return [{ ...stage, hash }];
  });
  return { bronze, silver, ranges, views: ordered([...dimensions, ...views]) };
}

/** Every stage with its tables, in order. */
export const allStages = (pipeline: Pipeline): Stage[] => [
  ...pipeline.bronze,
  ...pipeline.silver,
  ...pipeline.ranges,
  ...pipeline.views,
];

/** The stages that `--select` names: `gold.alerts`, `+gold.alerts` with all before it, `silver.authentication+` with all after it. */
export function selected(pipeline: Pipeline, selectors: readonly string[]): Set<string> {
  const stages = allStages(pipeline);
  const all = stages.map((stage) => stage.name);
  const feeds = (stage: Stage): readonly Relation[] =>
    stage.kind === 'view'
      ? [...stage.inputs, ...pipeline.ranges.filter((r) => stage.inputs.some((i) => i.name === r.table.name))]
      : stage.inputs;
  const wanted = new Set<string>();
  for (const selector of selectors) {
    const name = selector.replace(/^\+|\+$/g, '');
    if (!all.includes(name)) {
      const near = nearNames(name, all);
      throw new UserError(
        `--select ${selector}: there is no stage "${name}"${near.length > 0 ? `; did you mean ${near.join(' or ')}?` : `; valid: ${all.join(', ')}`}`,
      );
    }
    wanted.add(name);
    const follow = (from: string, next: (name: string) => string[], seen = new Set([from])): void => {
      for (const other of next(from)) {
        if (seen.has(other)) continue;
        seen.add(other);
        wanted.add(other);
        follow(other, next, seen);
      }
    };
    if (selector.startsWith('+'))
      follow(name, (n) =>
        stages
          .filter((s) => s.name === n)
          .flatMap((s) =>
            feeds(s)
              .map((i) => i.name)
              .filter((i) => all.includes(i)),
          ),
      );
    if (selector.endsWith('+'))
      follow(name, (n) => stages.filter((s) => feeds(s).some((i) => i.name === n)).map((s) => s.name));
  }
  return wanted;
}

/** A half-open range of time in milliseconds since 1970. */
export interface Range {
  readonly from: number;
  readonly until: number;
}

const HOUR = 3_600_000;
const MOST_RANGES = 32;

/** The ranges of a stage's output that changes in these hours (hours since 1970) can touch, at most 32, in order. */
export function touched(hours: readonly number[], stage: Pick<RangeStage, 'reach'>): Range[] {
  const merged: { from: number; until: number }[] = [];
  for (const hour of [...hours].sort((a, b) => a - b)) {
    const from = hour * HOUR - stage.reach.before;
    const until = (hour + 1) * HOUR + stage.reach.after;
    const last = merged.at(-1);
    if (last && from <= last.until) last.until = Math.max(last.until, until);
    else merged.push({ from, until });
  }
  while (merged.length > MOST_RANGES) {
    let narrowest = 1;
    for (let i = 2; i < merged.length; i++) {
      const gap = (at: number): number => (merged[at]?.from ?? 0) - (merged[at - 1]?.until ?? 0);
      if (gap(i) < gap(narrowest)) narrowest = i;
    }
    const [next] = merged.splice(narrowest, 1);
    const before = merged[narrowest - 1];
    if (next && before) before.until = Math.max(before.until, next.until);
  }
  return merged;
}

/** Ranges and one more as ranges that do not overlap. */
export function withRange(ranges: readonly Range[], more: Range): Range[] {
  const apart = ranges.filter((r) => r.until < more.from || r.from > more.until);
  const joined = ranges.filter((r) => !apart.includes(r));
  const from = Math.min(more.from, ...joined.map((r) => r.from));
  const until = Math.max(more.until, ...joined.map((r) => r.until));
  return [...apart, { from, until }].sort((a, b) => a.from - b.from);
}

/** A piece of plan text for what only the run will know. */
const open = (name: string): Sql => ({ parts: [{ kind: 'text', text: `:${name}` }] });

const within = (column: Sql, ranges: readonly Range[] | undefined, before = 0, after = 0): Sql =>
  ranges
    ? sql`(${join(
        ranges.map(({ from, until }) => sql`${column} >= ${from - before} AND ${column} < ${until + after}`),
        sql` OR `,
      )})`
    : sql`(${column} >= ${open('from')} AND ${column} < ${open('until')})`;

/** Which rows of a stage's table a rewrite replaces: its own, all of them or those in the ranges. */
export function ownRows(stage: RangeStage, ranges: readonly Range[] | 'all' | undefined): Sql {
  const pieces = [
    ...(stage.owner ? [stage.owner] : []),
    ...(ranges === 'all' ? [] : [within(identifier(stage.time), ranges)]),
  ];
  return pieces.length === 0 ? sql`TRUE` : join(pieces, sql` AND `);
}

const WITHIN_INPUT = '\u0001input\u0001';
const spelledRanges = new WeakMap<RangeStage, { dialect: Dialect; all: string; ranged: string }>();

/** A stage's query in one dialect, as it is and with a mark where an input's time is restricted: spelled once, for that takes longer than the query. */
function spelledRange(stage: RangeStage, dialect: Dialect): { all: string; ranged: string } {
  const before = spelledRanges.get(stage);
  if (before?.dialect === dialect) return before;
  const resolve: Resolve = (relation) =>
    stage.inputs.some((input) => input.name === relation.name)
      ? sql`(SELECT * FROM ${identifier(...relation.name.split('.'))} WHERE ${raw(WITHIN_INPUT)})`
      : undefined;
  const made = { dialect, all: spell(stage.select, dialect), ranged: spell(stage.select, dialect, resolve) };
  spelledRanges.set(stage, made);
  return made;
}

const raw = (text: string): Sql => ({ parts: [{ kind: 'text', text }] });

/** A stage's rows: all of them, those of the ranges, or, for a plan, those of ranges still unknown. */
export function rangeRows(stage: RangeStage, ranges: readonly Range[] | 'all' | undefined, dialect: Dialect): Sql {
  const { all, ranged } = spelledRange(stage, dialect);
  if (ranges === 'all') return raw(all);
  const { before, after } = stage.reach;
  const input = spell(within(identifier('time'), ranges, after, before), dialect);
  return sql`SELECT * FROM (${raw(ranged.replaceAll(WITHIN_INPUT, input))}) AS output WHERE ${within(identifier(stage.time), ranges)}`;
}

/** Every table that a run writes: the pipeline's own and those of the stages, and others. */
export function writtenTables(pipeline: Pipeline, others: readonly Table[]): Table[] {
  const tables = [
    ...Object.values(state),
    ...others,
    ...pipeline.bronze.map((s) => s.table),
    ...pipeline.silver.map((s) => s.table),
    ...pipeline.ranges.map((s) => s.table),
  ];
  return [...new Map(tables.map((t) => [t.name, t])).values()];
}

/** Everything that must exist before a run: schemas, the pipeline's own tables, tables of the stages. */
export const preparation = (pipeline: Pipeline, others: readonly Table[], dialect: Dialect): string[] => [
  ...['pipeline', 'bronze', 'silver', 'gold'].map((name) => dialect.createSchema(name)),
  ...writtenTables(pipeline, others).map((t) => dialect.createTable(t)),
];

/** Creates the views. */
export const viewStatements = (pipeline: Pipeline, dialect: Dialect): string[] =>
  pipeline.views.map((view) => dialect.createView(view.name, view.select));

/** One batch of files on its way into bronze. */
export interface Batch {
  readonly id: number;
  readonly runId: string;
  readonly at: Date;
}

/** Inserts the records of a group of files into bronze, faulty ones with their fault. */
export const arrivalStatements = (
  stage: BronzeStage,
  group: FileGroup,
  batch: Batch,
  dialect: Dialect,
  expected?: readonly Expectation[],
): string[] => dialect.append(stage.table, arrivals(stage.source, group, batch, expected));

const SUSPECTS = 'suspects';
const NEWCOMERS = 'newcomers';
const text = (statement: Sql, dialect: Dialect): string => spell(statement, dialect);

/** Statements that settle a batch after its records arrived, with what each is for. DuckDB only: they delete by row id. */
export function settlement(stage: BronzeStage, group: FileGroup, batch: Batch, dialect: Dialect) {
  const bronze = stage.source;
  const mine = sql`batch = ${batch.id}`;
  const byFile = sql`SELECT file, count(*) AS records FROM ${bronze} WHERE ${mine}`;
  return {
    /** One record of each shape that was never seen before. */
    newcomers: text(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(NEWCOMERS)} AS SELECT shape, min(rowid) AS id FROM ${bronze}
WHERE ${mine} AND fault IS NULL AND shape NOT IN (SELECT shape FROM ${shapes}) GROUP BY shape`,
      dialect,
    ),
    countNewcomers: text(sql`SELECT count(*) AS n FROM ${identifier(NEWCOMERS)}`, dialect),
    rememberShapes: text(
      sql`INSERT INTO ${shapes} SELECT ${bronze.source}, shape, ${undeclared(bronze, sql`raw`)} FROM ${bronze} WHERE rowid IN (SELECT id FROM ${identifier(NEWCOMERS)})`,
      dialect,
    ),
    /** Gives the records that do not meet an expectation their fault, once the batch tells what it needs. */
    refuse: ({ holds, otherwise, reason, settled }: Expectation) =>
      text(
        sql`UPDATE ${bronze} AS b SET fault = ${otherwise === 'fail' ? FAIL + reason : reason}${
          settled ? sql` || ': ' || ${settled.detail}` : sql``
        } WHERE ${mine} AND fault IS NULL AND NOT coalesce(${holds}, FALSE)`,
        dialect,
      ),
    /** Files that must be decoded before they can be read. */
    toDecode: text(sql`SELECT DISTINCT file FROM ${bronze} WHERE ${mine} AND starts_with(fault, ${DECODE})`, dialect),
    /** What refuses the whole batch, and an example. */
    refusals: text(
      sql`SELECT fault, count(*) AS records, min(file || ', record ' || position) AS example FROM ${bronze} WHERE ${mine} AND starts_with(fault, ${FAIL}) GROUP BY fault`,
      dialect,
    ),
    /** Records by what they were refused for. */
    reasons: text(
      sql`SELECT fault, count(*) AS records FROM ${bronze} WHERE ${mine} AND fault IS NOT NULL AND NOT starts_with(fault, ${IGNORED}) GROUP BY fault`,
      dialect,
    ),
    /** How many of the batch's records do not meet a condition. */
    unmet: (holds: Sql) =>
      text(sql`SELECT count(*) AS records FROM ${bronze} WHERE ${mine} AND NOT coalesce(${holds}, FALSE)`, dialect),
    /** Records of each file. */
    records: text(sql`${byFile} GROUP BY file`, dialect),
    quarantined: text(
      sql`${byFile} AND fault IS NOT NULL AND NOT starts_with(fault, ${IGNORED}) GROUP BY file`,
      dialect,
    ),
    ignored: text(sql`${byFile} AND starts_with(fault, ${IGNORED}) GROUP BY file`, dialect),
    stored: text(sql`${byFile} GROUP BY file`, dialect),
    numberLines: text(
      sql`UPDATE ${bronze} AS b SET position = b.position - f.first + 1
FROM (SELECT file, min(position) AS first FROM ${bronze} WHERE ${mine} GROUP BY file) AS f WHERE b.file = f.file AND b.${mine}`,
      dialect,
    ),
    needsNumbers: group.layout === 'lines' || group.layout === 'text',
    toQuarantine: text(
      sql`INSERT INTO ${state.quarantine} SELECT ${bronze.source}, file, position, fault, left(coalesce(raw, 'null'), 65536), batch, run_id, ingested_at
FROM ${bronze} WHERE ${mine} AND fault IS NOT NULL AND NOT starts_with(fault, ${IGNORED})`,
      dialect,
    ),
    /** What is read again leaves the quarantine: what is still wrong with it comes back. */
    leaveQuarantine: text(
      sql`DELETE FROM ${state.quarantine} WHERE source = ${bronze.source} AND file IN (${list(group.files)})`,
      dialect,
    ),
    dropFaulty: text(sql`DELETE FROM ${bronze} WHERE ${mine} AND fault IS NOT NULL`, dialect),
    /** The ids that this batch shares with itself or with what was there before. */
    suspects: text(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(SUSPECTS)} AS SELECT DISTINCT uid FROM (
  SELECT uid FROM ${bronze} WHERE ${mine} GROUP BY uid HAVING count(*) > 1
  UNION ALL
  SELECT n.uid FROM (SELECT uid FROM ${bronze} WHERE ${mine}) AS n
  SEMI JOIN (SELECT uid FROM ${bronze} WHERE batch < ${batch.id}
    AND time BETWEEN (SELECT min(time) FROM ${bronze} WHERE ${mine}) AND (SELECT max(time) FROM ${bronze} WHERE ${mine})) AS o ON n.uid = o.uid)`,
      dialect,
    ),
    countSuspects: text(sql`SELECT count(*) AS n FROM ${identifier(SUSPECTS)}`, dialect),
    /** Keeps the first of the records that are the same, by id and content. */
    dropDuplicates: text(
      sql`DELETE FROM ${bronze} WHERE rowid IN (SELECT id FROM (
  SELECT rowid AS id, batch, row_number() OVER (PARTITION BY uid, hash ORDER BY batch, file, position) AS n
  FROM ${bronze} WHERE uid IN (SELECT uid FROM ${identifier(SUSPECTS)})) AS ranked WHERE n > 1 AND ${mine})`,
      dialect,
    ),
  };
}

/** Routes bronze rows of some batches, or of those in a range of event time, to their classes, so that each mapping finds its own. */
export function routeStatement(
  stage: BronzeStage,
  from: number,
  until: number,
  dialect: Dialect,
  range?: Range,
): string {
  return text(
    sql`CREATE OR REPLACE TEMP TABLE ${identifier(ROUTED)} AS
SELECT uid, time, service, action, hash, raw, ${routing(stage.name)} AS class FROM ${stage.source} WHERE batch > ${from} AND batch <= ${until}${
      range ? sql` AND ${within(identifier('time'), [range])}` : sql``
    }`,
    dialect,
  );
}

/** Where a backfill cuts its range, so that no piece has more than so many rows: rows of bronze by hour. */
export const hoursOf = (stage: BronzeStage, range: Range, dialect: Dialect): string =>
  text(
    sql`SELECT (time - time % ${HOUR}) / ${HOUR} AS hour, count(*) AS n FROM ${stage.source} WHERE ${within(identifier('time'), [range])} GROUP BY ALL`,
    dialect,
  );

/** Statements that take a class's rows of a range out again, the hours that they leave being changed. */
export const clearRange = (stage: SilverStage, range: Range, id: number, dialect: Dialect): string[] => {
  const own = within(identifier('time'), [range]);
  return [
    changesOf({ name: stage.name }, sql`${stage.table as Relation} WHERE ${own}`, id, dialect),
    text(sql`DELETE FROM ${stage.table as Relation} WHERE ${own}`, dialect),
  ];
};

/** Says which hours the rows of `from` touch. */
export const changesOf = (relation: Relation, from: Sql, id: number, dialect: Dialect): string =>
  text(
    sql`INSERT INTO ${state.changes} SELECT DISTINCT ${id}, ${relation.name}, (time - time % ${HOUR}) / ${HOUR} FROM ${from}`,
    dialect,
  );

/** Statements that forget by which definition stages were filled, so that they are filled anew. */
export const forgetDefinitions = (names: readonly string[], dialect: Dialect): string[] =>
  names.length === 0 ? [] : [text(sql`DELETE FROM ${state.definitions} WHERE stage IN (${list(names)})`, dialect)];

/** The stages of findings and summaries that read a relation, directly or by way of others. */
export function dependants(pipeline: Pipeline, name: string): string[] {
  const found = new Set([name]);
  for (const stage of pipeline.ranges) if (stage.inputs.some((i) => found.has(i.name))) found.add(stage.name);
  found.delete(name);
  return [...found];
}

const spelledFeeds = new WeakMap<Feed, { dialect: Dialect; statements: string[] }>();

/** Moves the routed rows of one class into its table. */
export function feedStatements(stage: SilverStage, source: string, dialect: Dialect): string[] {
  return stage.feeds
    .filter((feed) => feed.source.source === source)
    .flatMap((feed) => {
      const before = spelledFeeds.get(feed);
      if (before?.dialect === dialect) return before.statements;
      const statements = dialect.merge(stage.table, stage.key, feed.select);
      spelledFeeds.set(feed, { dialect, statements });
      return statements;
    });
}

/** Rows that are not committed have the highest row ids. DuckDB only. */
const UNCOMMITTED = sql`rowid >= 36028797018960000`;

/** Statements on the rows that this transaction fed from routed records into a class and that do not meet an expectation. */
export function judgement(stage: SilverStage, one: SilverExpectation, dialect: Dialect) {
  const { class: name, table } = stage;
  const some = sql`${UNCOMMITTED} AND NOT coalesce(${one.holds(name, table)}, FALSE)`;
  const bad = sql`${some} AND EXISTS (
  SELECT 1 FROM ${identifier(ROUTED)} AS r WHERE r.uid = metadata.uid AND r.hash IS NOT DISTINCT FROM raw_data_hash.value)`;
  return {
    /** Whether there are any, also of other sources. */
    some: text(sql`SELECT count(*) AS records FROM ${stage} WHERE ${some}`, dialect),
    count: text(sql`SELECT count(*) AS records FROM ${stage} WHERE ${bad}`, dialect),
    /** Their records, as `moveToQuarantine` takes them. */
    refuse: text(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(REFUSED)} AS SELECT metadata.uid AS uid, raw_data_hash.value AS hash,
${`${stage.name}: ${one.reason}: `} || ${one.detail(name, table)} AS reason FROM ${stage} WHERE ${bad}`,
      dialect,
    ),
    remove: text(sql`DELETE FROM ${stage} WHERE ${bad}`, dialect),
  };
}

/** The temporary table of the records that a mapping or an expectation refuses: uid, hash and reason. */
export const REFUSED = 'refused';

/** Statements that move the refused records of a source from bronze to quarantine, and their counts with them. */
export function quarantineRefused({ source }: BronzeStage, dialect: Dialect): string[] {
  const same = sql`bad.uid = b.uid AND bad.hash IS NOT DISTINCT FROM b.hash`;
  const found = sql`${source} AS b JOIN ${identifier(REFUSED)} AS bad ON ${same}`;
  return [
    sql`INSERT INTO ${state.quarantine} SELECT ${source.source}, b.file, b.position, bad.reason, left(b.raw, 65536), b.batch, b.run_id, b.ingested_at FROM ${found}`,
    sql`UPDATE ${state.files} AS f SET stored = f.stored - n.records, quarantined = f.quarantined + n.records
FROM (SELECT b.file, b.batch, count(*) AS records FROM ${found} GROUP BY ALL) AS n
WHERE f.source = ${source.source} AND f.path = n.file AND f.batch = n.batch`,
    sql`DELETE FROM ${source} WHERE rowid IN (SELECT b.rowid FROM ${found})`,
    sql`DROP TABLE ${identifier(REFUSED)}`,
  ].map((statement) => text(statement, dialect));
}

/** Says which hours of a class the routed rows touched. */
export const changesOfRouted = (stage: SilverStage, id: number, dialect: Dialect): string =>
  changesOf(stage, sql`${identifier(ROUTED)} WHERE class = ${stage.class}`, id, dialect);

/** Statements that set a position of a stage on an input. */
export const moveWatermark = (stage: string, input: string, position: number, dialect: Dialect): string[] => [
  text(sql`DELETE FROM ${state.watermarks} WHERE stage = ${stage} AND input = ${input}`, dialect),
  text(sql`INSERT INTO ${state.watermarks} VALUES (${stage}, ${input}, ${position})`, dialect),
];

/** Statements that remember by which definition a stage's table was filled. */
export const rememberDefinition = (stage: Pick<Stage, 'name' | 'hash'>, dialect: Dialect): string[] => [
  text(sql`DELETE FROM ${state.definitions} WHERE stage = ${stage.name}`, dialect),
  text(sql`INSERT INTO ${state.definitions} VALUES (${stage.name}, ${stage.hash})`, dialect),
];
