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
import type { Dialect, Span, Table } from './sql/dialect.ts';
import { hashOf } from './sql/hash.ts';
import { rowsOfJson } from './sql/rows.ts';
import {
  call,
  identifier,
  join,
  list,
  literal,
  type Relation,
  type Resolve,
  type Sql,
  spell,
  sql,
  verbatim,
} from './sql/sql.ts';
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
    const bronzeTable = {
      name: source.name,
      columns: bronzeColumns,
      cluster: ['time', 'batch'],
      comment: `${source.title} as it arrived, one record a row`,
    };
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

/** The years in which an event can be. */
export const EVER: Range = { from: Date.UTC(1900, 0, 1), until: Date.UTC(2200, 0, 1) };

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
const open = (name: string): Sql => verbatim(`:${name}`);

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
      ? sql`(SELECT * FROM ${identifier(...relation.name.split('.'))} WHERE ${verbatim(WITHIN_INPUT)})`
      : undefined;
  const made = { dialect, all: spell(stage.select, dialect), ranged: spell(stage.select, dialect, resolve) };
  spelledRanges.set(stage, made);
  return made;
}

/** A stage's rows: all of them, those of the ranges, or, for a plan, those of ranges still unknown. */
export function rangeRows(stage: RangeStage, ranges: readonly Range[] | 'all' | undefined, dialect: Dialect): Sql {
  const { all, ranged } = spelledRange(stage, dialect);
  if (ranges === 'all') return verbatim(all);
  const { before, after } = stage.reach;
  const input = spell(within(identifier('time'), ranges, after, before), dialect);
  return sql`SELECT * FROM (${verbatim(ranged.replaceAll(WITHIN_INPUT, input))}) AS output WHERE ${within(identifier(stage.time), ranges)}`;
}

const text = (statement: Sql, dialect: Dialect): string => spell(statement, dialect);

/** The tables of a pipeline's stages, some more than once. */
export const tablesOf = ({ bronze, silver, ranges }: Pipeline): Table[] =>
  [...bronze, ...silver, ...ranges].map((stage) => stage.table);

/** Every table that a run writes: the pipeline's own and those of the stages, and others. */
export const writtenTables = (pipeline: Pipeline, others: readonly Table[]): Table[] => {
  const tables = [...Object.values(state), ...others, ...tablesOf(pipeline)];
  return [...new Map(tables.map((t) => [t.name, t])).values()];
};

/** Makes what must exist before a run and is not there: schemas, which not everybody may make, the pipeline's own tables, tables of the stages. */
export const preparation = (
  pipeline: Pipeline,
  others: readonly Table[],
  dialect: Dialect,
  there: { readonly tables: ReadonlySet<string>; readonly schemas: readonly string[] } = {
    tables: new Set(),
    schemas: [],
  },
): string[] => [
  ...['pipeline', 'bronze', 'silver', 'gold']
    .filter((name) => !there.schemas.includes(name))
    .map((name) => dialect.createSchema(name)),
  ...writtenTables(pipeline, others)
    .filter((t) => !there.tables.has(t.name))
    .map((t) => dialect.createTable(t)),
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

/** Which of the tables hold rows of batches after this one, which came to no end. */
export const unfinished = (tables: readonly string[], last: number, dialect: Dialect): string =>
  text(
    join(
      tables.map((name) => sql`SELECT DISTINCT ${name} AS name FROM ${{ name }} WHERE batch > ${last}`),
      sql` UNION ALL `,
    ),
    dialect,
  );

/** Takes the rows of batches after this one out again. */
export const withoutUnfinished = (name: string, last: number, dialect: Dialect): string =>
  text(sql`DELETE FROM ${{ name }} WHERE batch > ${last}`, dialect);

/** The files of a batch of which the quarantine still holds what an earlier reading left there. */
export const superseded = (batch: number, dialect: Dialect): string =>
  text(
    sql`SELECT DISTINCT q.source AS source, q.file AS file FROM ${state.quarantine} AS q SEMI JOIN (
  SELECT source, path FROM ${state.files} WHERE batch = ${batch} AND records > 0) AS f ON f.source = q.source AND f.path = q.file
WHERE q.batch < ${batch}`,
    dialect,
  );

/** What is read again leaves the quarantine: what is still wrong with it is there as of this batch. */
export const leaveQuarantine = (source: string, files: readonly string[], batch: number, dialect: Dialect): string =>
  text(
    sql`DELETE FROM ${state.quarantine} WHERE source = ${source} AND batch < ${batch} AND file IN (${list(files)})`,
    dialect,
  );

/** How many of a batch's records each file has in bronze. */
export const storedByFile = (stage: BronzeStage, batch: Batch, dialect: Dialect): string =>
  text(sql`SELECT file, count(*) AS records FROM ${stage.source} WHERE batch = ${batch.id} GROUP BY file`, dialect);

const SUSPECTS = 'suspects';
const NEWCOMERS = 'newcomers';

/** Questions about the rows of a batch that may have a fault, and what goes to quarantine of them; `rows` is a table of bronze rows, of which `mine` are meant. */
export function counting({ source }: Pick<BronzeStage, 'source'>, rows: Relation, mine: Sql, dialect: Dialect) {
  const refused = sql`fault IS NOT NULL AND NOT ${call((f) => f.startsWith(sql`fault`, literal(IGNORED)))}`;
  const begins = (mark: string): Sql => call((f) => f.startsWith(sql`fault`, literal(mark)));
  const byFile = sql`SELECT file, count(*) AS records FROM ${rows} WHERE ${mine}`;
  return {
    /** Files that must be decoded before they can be read. */
    toDecode: text(sql`SELECT DISTINCT file FROM ${rows} WHERE ${mine} AND ${begins(DECODE)}`, dialect),
    /** What refuses the whole batch, and an example. */
    refusals: text(
      sql`SELECT fault, count(*) AS records, min(file || ', record ' || position) AS example FROM ${rows} WHERE ${mine} AND ${begins(FAIL)} GROUP BY fault`,
      dialect,
    ),
    /** Records by what they were refused for. */
    reasons: text(
      sql`SELECT fault, count(*) AS records FROM ${rows} WHERE ${mine} AND ${refused} GROUP BY fault`,
      dialect,
    ),
    /** How many of the batch's records do not meet a condition. */
    unmet: (holds: Sql) =>
      text(
        sql`SELECT count(*) AS records FROM ${rows} WHERE ${mine} AND fault IS NULL AND NOT coalesce(${holds}, FALSE)`,
        dialect,
      ),
    /** Records of each file. */
    records: text(sql`${byFile} GROUP BY file`, dialect),
    kept: text(sql`${byFile} AND fault IS NULL GROUP BY file`, dialect),
    quarantined: text(sql`${byFile} AND ${refused} GROUP BY file`, dialect),
    ignored: text(sql`${byFile} AND ${begins(IGNORED)} GROUP BY file`, dialect),
    toQuarantine: dialect.append(
      state.quarantine,
      sql`SELECT ${source.source} AS source, file, position, fault AS reason, left(coalesce(raw, 'null'), 65536) AS text, batch, run_id, ingested_at
FROM ${rows} WHERE ${mine} AND ${refused}`,
    ),
  };
}

/** Statements that settle a batch after its records arrived, with what each is for. Only where files are read: they delete by row id. */
export function settlement(stage: BronzeStage, group: FileGroup, batch: Batch, dialect: Dialect) {
  const bronze = stage.source;
  const mine = sql`batch = ${batch.id}`;
  return {
    ...counting(stage, bronze, mine, dialect),
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
    numberLines: text(
      sql`UPDATE ${bronze} AS b SET position = b.position - f.first + 1
FROM (SELECT file, min(position) AS first FROM ${bronze} WHERE ${mine} GROUP BY file) AS f WHERE b.file = f.file AND b.${mine}`,
      dialect,
    ),
    needsNumbers: group.layout === 'lines' || group.layout === 'text',
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

/** Batches of a source: after `from`, up to `until`. */
export interface Batches {
  readonly stage: BronzeStage;
  readonly from: number;
  readonly until: number;
}

/** The bronze rows of some batches, or of those in a range of event time, each with its class, so that each mapping finds its own; kept as `ROUTED`. */
export const routedRows = (batches: readonly Batches[], range?: Range): Sql =>
  join(
    batches.map(
      ({ stage, from, until }) =>
        sql`SELECT ${stage.source.source} AS source, uid, time, service, action, hash, raw, ${routing(stage.name)} AS class
FROM ${stage.source} WHERE batch > ${from} AND batch <= ${until}${range ? sql` AND ${within(identifier('time'), [range])}` : sql``}`,
    ),
    sql`\nUNION ALL\n`,
  );

/** What was routed to each class, and within which times. */
export const routedByClass = (dialect: Dialect): string =>
  text(
    sql`SELECT class, count(*) AS n, min(time) AS least, max(time) AS most FROM ${identifier(ROUTED)} GROUP BY class`,
    dialect,
  );

/** Hours since 1970. */
const hourOf = call<bigint>((f) => f.cast(sql`(time - time % ${HOUR}) / ${HOUR}`, 'long'));

/** Where a backfill cuts its range, so that no piece has more than so many rows: rows of bronze by hour. */
export const hoursOf = (stage: BronzeStage, range: Range, dialect: Dialect): string =>
  text(
    sql`SELECT ${hourOf} AS hour, count(*) AS n FROM ${stage.source} WHERE ${within(identifier('time'), [range])} GROUP BY ALL`,
    dialect,
  );

/** Statements that make a class's rows of a range anew from the routed ones; the hours that rows leave or come into are changed. */
export const againStatements = (stage: SilverStage, range: Range, id: number, dialect: Dialect): string[] => {
  const own = within(identifier('time'), [range]);
  const rows = join(
    stage.feeds.map((feed) => feed.select),
    sql`\nUNION ALL\n`,
  );
  return [
    changesOf(stage, sql`${stage.table as Relation} WHERE ${own}`, id, dialect),
    ...dialect.replace(stage.table, own, rows),
    changesOfRouted(stage, id, dialect),
  ];
};

/** Says which hours the rows of `from` touch. */
export const changesOf = (relation: Relation, from: Sql, id: number, dialect: Dialect): string =>
  text(sql`INSERT INTO ${state.changes} SELECT DISTINCT ${id}, ${relation.name}, ${hourOf} FROM ${from}`, dialect);

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

const spelledFeeds = new WeakMap<Feed, { dialect: Dialect; select: Sql }>();

/** Moves the routed rows of one class into its table; `times` says within which they lie. */
export function feedStatements(stage: SilverStage, source: string, dialect: Dialect, times?: Span): string[] {
  return stage.feeds
    .filter((feed) => feed.source.source === source)
    .flatMap((feed) => {
      const before = spelledFeeds.get(feed);
      const spelled = before?.dialect === dialect ? before : { dialect, select: verbatim(spell(feed.select, dialect)) };
      spelledFeeds.set(feed, spelled);
      return dialect.merge(stage.table, stage.key, spelled.select, times);
    });
}

/** The kept set of the records that a mapping or an expectation refuses. */
const REFUSED = 'refused';
/** Rows of the ledger with the counts that they have without the refused records. */
const COUNTED = 'counted';

/** A record that a mapping or an expectation refuses, by its key in bronze. */
export interface Refused {
  readonly uid: string;
  readonly hash: string | null;
  readonly reason: string;
}

/** Statements on the rows that the routed records of a source gave to a class and that do not meet an expectation. */
export function judgement(stage: SilverStage, { source }: BronzeStage, one: SilverExpectation, dialect: Dialect) {
  const { class: name, table } = stage;
  const lacking = sql`NOT coalesce(${one.holds(name, table)}, FALSE)`;
  const some = dialect.uncommitted ? sql`${dialect.uncommitted} AND ${lacking}` : lacking;
  const bad = sql`${some} AND EXISTS (SELECT 1 FROM ${identifier(ROUTED)} AS r
  WHERE r.source = ${source.source} AND r.uid = metadata.uid AND r.hash IS NOT DISTINCT FROM raw_data_hash.value)`;
  return {
    /** Whether there are any, also of other sources. */
    some: text(sql`SELECT count(*) AS records FROM ${stage} WHERE ${some}`, dialect),
    count: text(sql`SELECT count(*) AS records FROM ${stage} WHERE ${bad}`, dialect),
    /** Their records, as `quarantineRefused` takes them. */
    refused: text(
      sql`SELECT metadata.uid AS uid, raw_data_hash.value AS hash, ${`${stage.name}: ${one.reason}: `} || ${one.detail(name, table)} AS reason
FROM ${stage} WHERE ${bad}`,
      dialect,
    ),
  };
}

/** Statements that take the rows of these records out of a class. */
export const withoutRefused = (stage: SilverStage, refused: readonly Refused[], dialect: Dialect): string[] =>
  dialect.remove(stage.table, stage.key, rowsOfJson(keyColumns, JSON.stringify(refused)));

/** Statements that take out of a class what the routed records of a source gave to it, where the engine does not do that by itself. */
export const withoutRouted = (stage: SilverStage, { source }: BronzeStage, dialect: Dialect): string[] =>
  dialect.uncommitted
    ? []
    : dialect.remove(
        stage.table,
        stage.key,
        sql`SELECT uid, hash FROM ${identifier(ROUTED)} WHERE source = ${source.source} AND class = ${stage.class}`,
      );

const keyColumns = [
  { name: 'uid', type: 'text' },
  { name: 'hash', type: 'text' },
] as const;

/** Keeps the refused records at hand for `quarantineRefused`. */
export const keepRefused = (refused: readonly Refused[], dialect: Dialect): string[] =>
  dialect.keep(REFUSED, rowsOfJson([...keyColumns, { name: 'reason', type: 'text' }], JSON.stringify(refused)));

/** The batches of a source in which the refused records came. */
export const refusedBatches = ({ source }: BronzeStage, dialect: Dialect): string =>
  text(
    sql`SELECT DISTINCT b.batch AS batch FROM ${source} AS b SEMI JOIN ${identifier(REFUSED)} AS bad ON bad.uid = b.uid AND bad.hash IS NOT DISTINCT FROM b.hash`,
    dialect,
  );

/** Statements that move the refused records of a source from bronze to quarantine, and their counts with them. Bronze is last: until then a rerun finds the same records, and writes the same. */
export function quarantineRefused(
  { source, table }: BronzeStage,
  batches: readonly number[],
  dialect: Dialect,
): string[] {
  const same = sql`bad.uid = b.uid AND bad.hash IS NOT DISTINCT FROM b.hash`;
  const theirs = sql`source = ${source.source} AND batch IN (${list(batches)})`;
  const figures: Readonly<Record<string, Sql>> = {
    stored: sql`CASE WHEN n.stored IS NULL THEN f.stored ELSE n.stored END`,
    quarantined: sql`CASE WHEN n.stored IS NULL THEN f.quarantined ELSE f.records - f.duplicates - f.ignored - n.stored END`,
  };
  const counted = state.files.columns.map(
    ({ name }) => sql`${figures[name] ?? identifier('f', name)} AS ${identifier(name)}`,
  );
  return [
    ...dialect.merge(
      state.quarantine,
      ['source', 'file', 'position', 'batch'],
      sql`SELECT ${source.source} AS source, b.file AS file, b.position AS position, bad.reason AS reason, left(b.raw, 65536) AS text,
  b.batch AS batch, b.run_id AS run_id, b.ingested_at AS quarantined_at FROM ${source} AS b JOIN ${identifier(REFUSED)} AS bad ON ${same}`,
    ),
    ...dialect.keep(
      COUNTED,
      sql`SELECT ${join(counted, sql`, `)} FROM (SELECT * FROM ${state.files} WHERE ${theirs}) AS f LEFT JOIN (
  SELECT b.file AS file, b.batch AS batch, count(*) - count(bad.uid) AS stored FROM ${source} AS b LEFT JOIN ${identifier(REFUSED)} AS bad ON ${same}
  WHERE b.batch IN (${list(batches)}) GROUP BY b.file, b.batch HAVING count(bad.uid) > 0) AS n ON n.file = f.path AND n.batch = f.batch`,
    ),
    ...dialect.replace(state.files, theirs, sql`SELECT * FROM ${identifier(COUNTED)}`),
    ...dialect.remove(table, ['uid', 'hash'], sql`SELECT uid, hash FROM ${identifier(REFUSED)}`),
    ...dialect.drop(COUNTED),
    ...dialect.drop(REFUSED),
  ];
}

/** Says which hours of a class the routed rows touched. */
export const changesOfRouted = (stage: SilverStage, id: number, dialect: Dialect): string =>
  changesOf(stage, sql`${identifier(ROUTED)} WHERE class = ${stage.class}`, id, dialect);

/** Moves stages on to positions of their inputs. Positions only grow, so the highest counts and the others are cleared away now and then. */
export const moveWatermarks = (
  moves: readonly { readonly stage: string; readonly input: string; readonly position: number }[],
  dialect: Dialect,
): string[] => dialect.append(state.watermarks, rowsOfJson(state.watermarks.columns, JSON.stringify(moves)));

/** Statements that remember by which definitions stages were filled; what was remembered of them before is forgotten by then. */
export const rememberDefinitions = (stages: readonly Pick<Stage, 'name' | 'hash'>[], dialect: Dialect): string[] => {
  const written = stages.map(({ name, hash }) => ({ stage: name, hash }));
  if (written.length === 0) return [];
  return dialect.append(state.definitions, rowsOfJson(state.definitions.columns, JSON.stringify(written)));
};

const LATEST = 'latest';

/** Of rows that differ in one column only the highest counts: how many are there and wanted, and the statements that clear the others away. */
export function highestOnly(table: Table & Relation, column: string, dialect: Dialect) {
  const others = table.columns.filter((c) => c.name !== column).map((c) => identifier(c.name));
  const selected = table.columns.map(({ name }) =>
    name === column ? sql`max(${identifier(name)}) AS ${identifier(name)}` : identifier(name),
  );
  const highest = sql`SELECT ${join(selected, sql`, `)} FROM ${table as Relation} GROUP BY ${list(others)}`;
  return {
    counts: text(
      sql`SELECT (SELECT count(*) FROM ${table as Relation}) AS there, (SELECT count(*) FROM (${highest}) AS highest) AS wanted`,
      dialect,
    ),
    statements: [
      ...dialect.keep(LATEST, highest),
      ...dialect.replace(table, sql`TRUE`, sql`SELECT * FROM ${identifier(LATEST)}`),
      ...dialect.drop(LATEST),
    ],
  };
}

/** A range of time in pieces of whole hours that hold no more rows than one transaction takes, if one hour does not. */
export function pieces(range: Range, rowsByHour: ReadonlyMap<number, number>, most: number): Range[] {
  const cuts: number[] = [];
  let rows = 0;
  for (const [hour, n] of [...rowsByHour].sort(([a], [b]) => a - b)) {
    if (rows > 0 && rows + n > most && hour * HOUR > range.from) {
      cuts.push(hour * HOUR);
      rows = 0;
    }
    rows += n;
  }
  return [range.from, ...cuts].map((from, i) => ({ from, until: cuts[i] ?? range.until }));
}
