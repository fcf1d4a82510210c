import { duckdb } from '../sql/duckdb.ts';
import { fromJson, md5, present, type Shape } from '../sql/functions.ts';
import { pruned } from '../sql/record.ts';
import { call, identifier, join, list, literal, type Part, type Sql, sql, visit } from '../sql/sql.ts';
import { type Expectation, expectationsOf } from './expectations.ts';
import { shapeOf } from './shape.ts';
import { bronzeColumns, RECORD, repaired, type Source } from './source.ts';

/** Files that one statement reads alike. */
export type FileGroup =
  | {
      readonly layout: 'document' | 'lines';
      readonly gzip: boolean;
      readonly files: readonly string[];
      /** No JSON document of the group is larger, in bytes. */
      readonly largest: number;
      /** Names of the fields of lines that stand inside the JSON. */
      readonly header?: readonly string[] | undefined;
    }
  | { readonly layout: 'parquet'; readonly files: readonly string[] }
  | {
      readonly layout: 'text';
      readonly gzip: boolean;
      readonly files: readonly string[];
      readonly header: readonly string[] | undefined;
    }
  | {
      /** One damaged or odd file and the NDJSON that `decode` made of it. */
      readonly layout: 'decoded';
      readonly files: readonly [string];
      readonly decoded: string;
      readonly header?: readonly string[] | undefined;
    };

/** Marks a fault that says the file must be decoded, rather than the record refused. */
export const DECODE = 'decode: ';
/** Marks a fault for which the batch is refused. */
export const FAIL = 'fail: ';
/** Marks a fault of a record that is no event. */
export const IGNORED = 'ignored: ';

const MIN_OBJECT_BYTES = 16 << 20;

const flag = (name: string, value: Sql): Sql => sql`${identifier(name)} = ${value}`;
const files = (paths: readonly string[]): Sql => sql`[${list(paths)}]`;
/** The readers of JSON and CSV have a word of their own for no compression. */
const compression = (gzip: boolean, none: 'uncompressed' | 'none'): Sql =>
  flag('compression', literal(gzip ? 'gzip' : none));

/** JSON as the engine writes it, so that a record has the same text however it arrived: pretty-printed, in a list, in a damaged file. */
const normal = (json: Sql): Sql => sql`CAST(json(${json}) AS VARCHAR)`;

/** The records of JSON documents: members of an envelope's list, elements of an array, or the document itself. */
function splitDocument(source: Source, documents: Sql): Sql {
  const { lists } = source.envelope;
  const first = (name: string): boolean => lists.find((n) => n.toLowerCase() === name.toLowerCase()) === name;
  const shape = Object.fromEntries(lists.filter(first).map((name) => [name, 'texts' as const]));
  const whole = sql`[${normal(sql`document`)}]`;
  // DuckDB's structs cannot have two fields that differ in case only, so the second is read by itself.
  const members = lists.map((name) =>
    first(name)
      ? identifier('envelope', name)
      : sql`CASE WHEN contains(document, ${`"${name}"`}) THEN ${fromJson(sql`document`, { [name]: 'texts' })}.${identifier(name)} END`,
  );
  return sql`SELECT filename, n, CASE WHEN starts_with(document, '[') THEN from_json(document, '["VARCHAR"]')
      ELSE ${members.length === 0 ? whole : sql`coalesce(${list([...members, whole])})`} END AS records
    FROM (SELECT filename, n, document${
      members.length === 0 ? sql`` : sql`, ${fromJson(sql`document`, shape)} AS envelope`
    } FROM (${documents}))`;
}

/** The record inside a wrapper such as an EventBridge event. */
function unwrap(source: Source, raw: Sql): Sql {
  const { members } = source.envelope;
  if (members.length === 0) return raw;
  const shape = Object.fromEntries(members.map((name) => [name, 'text' as const]));
  const looks = members.map((name) => sql`contains(${raw}, ${`"${name}"`})`);
  const inner = members.map((name) => {
    const member = sql`${fromJson(raw, shape)}.${identifier(name)}`;
    return sql`CASE WHEN starts_with(${member}, '{') THEN CASE WHEN json_valid(${member}) THEN ${normal(member)} ELSE ${member} END END`;
  });
  const { bare } = source.envelope;
  const wrapped =
    bare === undefined
      ? sql`starts_with(${raw}, '{')`
      : sql`starts_with(${raw}, '{') AND NOT starts_with(${raw}, ${bare})`;
  return sql`CASE WHEN ${wrapped} AND (${join(looks, sql` OR `)}) THEN coalesce(${list([...inner, raw])}) ELSE ${raw} END`;
}

export const HEADER_NAMES = ['interface-id', 'interface_id', 'srcaddr', 'log-status', 'log_status'];
export const underscored = (value: Sql): Sql => sql`replace(lower(${value}), '-', '_')`;

/** (file, position, raw, fault, record) of what a group of files holds; a text line becomes a JSON object by its header. */
function readFiles(source: Source, group: FileGroup, wanted: Shape): Sql {
  if (group.layout === 'text') return readText(source, group, wanted);
  const rows = group.layout === 'parquet' ? readParquet(source, group) : jsonRows(source, group);
  return sql`SELECT file, position, raw, fault, CASE WHEN fault IS NULL THEN ${fromJson(sql`raw`, wanted)} END AS ${identifier(RECORD)},
    CASE WHEN fault IS NULL THEN ${shapeOf(source, sql`raw`)} END AS shape FROM (${rows})`;
}

/** The decoder refuses what is nested deeper than Spark reads; here only the number of brackets is known. */
const tooDeep: Sql = sql` WHEN strlen(raw) > 4000 AND strlen(raw) - strlen(translate(raw, '[{', '')) > 1000 THEN ${`${DECODE}may be nested too deep`}`;

function jsonRows(source: Source, group: Exclude<FileGroup, { layout: 'text' | 'parquet' }>): Sql {
  const rows = group.layout === 'decoded' ? readDecoded(source, group) : readJson(source, group);
  if (source.content === 'text') return linesInJson(source, rows, group.header);
  return sql`SELECT file, position, raw, coalesce(reason, CASE WHEN NOT starts_with(coalesce(raw, ''), '{') THEN 'not a JSON object'${group.layout === 'decoded' ? sql`` : tooDeep} END) AS fault
  FROM (SELECT file, position, reason, CASE WHEN reason IS NULL THEN ${unwrap(source, sql`raw`)} ELSE raw END AS raw FROM (${rows}))`;
}

function readJson(source: Source, group: FileGroup & { layout: 'document' | 'lines' }): Sql {
  const options = [
    flag('filename', literal(true)),
    compression(group.gzip, 'uncompressed'),
    flag('format', literal(group.layout === 'lines' ? 'newline_delimited' : 'unstructured')),
    flag('maximum_object_size', literal(Math.max(MIN_OBJECT_BYTES, Math.ceil(group.largest * 1.02) + 1024))),
  ];
  const order = group.layout === 'lines' ? sql`row_number() OVER ()` : sql`CAST(0 AS BIGINT)`;
  const documents = sql`SELECT filename, json AS document, ${order} AS n FROM read_json_objects(${files(group.files)}, ${join(options, sql`, `)})`;
  return sql`SELECT filename AS file, unnest(records) AS raw, n + generate_subscripts(records, 1)${group.layout === 'lines' ? sql` - 1` : sql``} AS position,
      CAST(NULL AS VARCHAR) AS reason, CAST(NULL AS VARCHAR[]) AS header FROM (
    ${splitDocument(source, documents)})`;
}

function readDecoded(source: Source, group: FileGroup & { layout: 'decoded' }): Sql {
  const columns = sql`{'position': 'BIGINT', 'raw': 'VARCHAR', 'reason': 'VARCHAR', 'header': 'VARCHAR[]'}`;
  const raw =
    source.content === 'json'
      ? sql`CASE WHEN reason IS NULL AND json_valid(raw) THEN ${normal(sql`raw`)} ELSE raw END`
      : sql`raw`;
  const reason =
    source.content === 'json'
      ? sql`CASE WHEN reason IS NULL AND NOT json_valid(raw) THEN 'malformed JSON' ELSE reason END`
      : sql`reason`;
  return sql`SELECT ${group.files[0]} AS file, position, ${raw} AS raw, ${reason} AS reason, header
    FROM read_json(${group.decoded}, columns = ${columns}, format = 'newline_delimited', maximum_object_size = ${256 << 20})`;
}

/** A text line's fields as a JSON object. */
const asObject = (fields: readonly (readonly [string, Sql])[]): Sql =>
  sql`CAST(to_json(${call((f) => f.struct(fields))}) AS VARCHAR)`;

const countFault = (names: Sql): Sql =>
  sql`CASE WHEN len(fields) <> ${names} THEN CAST(len(fields) AS VARCHAR) || ' fields, the header has ' || CAST(${names} AS VARCHAR) END`;

function readText(source: Source, group: FileGroup & { layout: 'text' }, wanted: Shape): Sql {
  const header = group.header ?? source.header;
  const options = [
    sql`columns = {'line': 'VARCHAR'}`,
    flag('filename', literal(true)),
    compression(group.gzip, 'none'),
    sql`delim = ${'\x1f'}, quote = '', escape = '', header = false, auto_detect = false`,
  ];
  const line = header.join(' ');
  const looksLikeHeader = sql`(${join(
    HEADER_NAMES.map((name) => sql`contains(line, ${name})`),
    sql` OR `,
  )})`;
  // A line whose first field is a number is data: most lines need no closer look.
  const fault = sql`CASE WHEN len(fields) <> ${header.length} OR NOT (line >= '0' AND line < ':') THEN
      CASE WHEN ${looksLikeHeader} THEN ${`${DECODE}a second header`} ELSE ${countFault(literal(header.length))} END END`;
  const record = Object.keys(wanted).map((name): [string, Sql] => {
    const at = header.indexOf(name);
    return [name, at < 0 ? sql`CAST(NULL AS VARCHAR)` : sql`fields[${at + 1}]`];
  });
  return sql`SELECT file, position, CASE WHEN fault IS NULL THEN ${asObject(header.map((name, i): [string, Sql] => [name, sql`fields[${i + 1}]`]))} ELSE line END AS raw, fault,
    CASE WHEN fault IS NULL THEN ${call((f) => f.struct(record))} END AS ${identifier(RECORD)}, ${shapeOf(source, asObject(header.map((name): [string, Sql] => [name, literal('')])))} AS shape FROM (
  SELECT file, position, line, fields, ${fault} AS fault FROM (
    SELECT filename AS file, n AS position, line, string_split(line, ' ') AS fields FROM (
      SELECT filename, n, trim(line, chr(13) || ' ') AS line FROM (
        SELECT filename, line, row_number() OVER () AS n FROM read_csv(${files(group.files)}, ${join(options, sql`, `)})))
    WHERE line <> '' AND NOT (CASE WHEN strlen(line) = ${line.length} THEN ${underscored(sql`line`)} = ${line} ELSE FALSE END)))`;
}

export const CONTROL_MESSAGE = 'CWL CONTROL MESSAGE';

/** The text lines inside JSON: strings, messages of a log shipper such as CloudWatch, or objects with a member for each field. */
function linesInJson(source: Source, rows: Sql, given: readonly string[] | undefined): Sql {
  const unquoted = sql`CASE WHEN reason IS NULL AND starts_with(raw, '"') AND json_valid(raw) THEN json_extract_string(raw, '$') ELSE raw END`;
  const members = source.envelope.members.map((name) => sql`json_extract_string(raw, ${`/${name}`})`);
  const line = sql`CASE WHEN reason IS NULL AND starts_with(raw, '{') AND json_valid(raw) THEN coalesce(${list([...members, sql`raw`])}) ELSE raw END`;
  const isObject = sql`(starts_with(line, '{') AND json_valid(line))`;
  const lines = sql`SELECT file, position, reason, coalesce(header, [${list(given ?? source.header)}]) AS names,
      trim(${line}, chr(13) || chr(10) || ' ') AS line FROM (SELECT file, position, reason, header, ${unquoted} AS raw FROM (${rows}))`;
  const fault = sql`CASE WHEN reason IS NOT NULL THEN reason WHEN starts_with(line, ${CONTROL_MESSAGE}) THEN ${`${IGNORED}${CONTROL_MESSAGE}`}
      WHEN NOT ${isObject} THEN ${countFault(sql`len(names)`)} END`;
  return sql`SELECT file, position, fault, CASE WHEN fault IS NOT NULL THEN line WHEN ${isObject} THEN ${underscoredKeys(sql`line`)}
      ELSE CAST(to_json(map_from_entries(list_zip(names, fields))) AS VARCHAR) END AS raw
    FROM (SELECT *, ${fault} AS fault FROM (SELECT *, string_split(line, ' ') AS fields FROM (${lines}) WHERE line <> ''))`;
}

/** The JSON object with its keys as a flow log's fields are named here. */
function underscoredKeys(object: Sql): Sql {
  const keys = sql`json_keys(${object})`;
  const entry = sql`{'k': ${underscored(sql`key`)}, 'v': json_extract_string(${object}, '/' || replace(replace(key, '~', '~0'), '/', '~1'))}`;
  return sql`CASE WHEN regexp_matches(${object}, '"[^"]*[-A-Z][^"]*":') AND len(list_distinct(list_transform(${keys}, lambda key: ${underscored(sql`key`)}))) = len(${keys})
    THEN CAST(to_json(map_from_entries(list_filter(list_transform(${keys}, lambda key: ${entry}), lambda entry: entry.v IS NOT NULL))) AS VARCHAR)
    ELSE ${normal(object)} END`;
}

/** Rows of Parquet files as JSON objects without their NULLs; each file by itself, so that what a row becomes does not hang on its neighbours. */
function readParquet(source: Source, group: FileGroup & { layout: 'parquet' }): Sql {
  const one = (path: string): Sql => sql`SELECT ${path} AS file, row_number() OVER () AS position,
      CAST(json_merge_patch('{}', to_json(parquet_row)) AS VARCHAR) AS raw FROM read_parquet([${path}]) AS parquet_row`;
  const raw = source.content === 'text' ? underscoredKeys(sql`raw`) : sql`raw`;
  return sql`SELECT file, position, ${raw} AS raw, CAST(NULL AS VARCHAR) AS fault FROM (${join(group.files.map(one), sql`\n  UNION ALL `)})`;
}

/** The paths of the record that the pieces look at. */
function looked(pieces: readonly Sql[]): Set<string> {
  const found = new Set<string>();
  for (const piece of pieces)
    visit(piece, duckdb.functions, (part: Part) => {
      if (part.kind === 'field' && part.base === RECORD) found.add(part.path.join('.'));
      if (part.kind === 'conversion') for (const path of looked([part.of])) found.add(path);
      return 'deeper';
    });
  return found;
}

/** One batch of a source as bronze rows, from the files of a group; `fault` says why a row must leave bronze again. */
export const arrivals = (
  source: Source,
  group: FileGroup,
  batch: { id: number; runId: string; at: Date },
  expected?: readonly Expectation[],
): Sql => lifted(source, (wanted) => readFiles(source, group, wanted), batch, expected);

/** Bronze rows of the records that `read` finds: (file, position, raw, fault, shape) and the record as the wanted shape. */
export function lifted(
  source: Source,
  read: (wanted: Shape) => Sql,
  batch: { id: number; runId: string; at: Date },
  expected: readonly Expectation[] = expectationsOf(source.source),
): Sql {
  const { lift, ignore, repair } = source;
  const asked = looked([lift.uid, lift.time, lift.service, lift.action, ignore, ...(repair ? [repair.when] : [])]);
  const wanted = pruned({ ...source.foreign, ...source.shape }, asked);
  const found = read(wanted);
  const right = repaired(source, wanted, pruned(source.shape, asked));
  const parsed = right
    ? sql`SELECT file, position, raw, fault, shape, ${right} AS ${identifier(RECORD)} FROM (${found}) AS found`
    : found;
  const hash = sql`CASE WHEN uid IS NOT NULL THEN ${md5(sql`raw`)} END`;
  const refusals = expected
    .filter((one) => one.otherwise !== 'warn' && !one.settled)
    .map(
      ({ holds, otherwise, reason }) =>
        sql` WHEN NOT coalesce(${holds}, FALSE) THEN ${otherwise === 'fail' ? FAIL + reason : reason}`,
    );
  const fault = sql`CASE WHEN fault IS NOT NULL THEN fault
    WHEN coalesce(ignored, FALSE) THEN ${`${IGNORED}not an event`}${join(refusals, sql``)} END`;
  const columns = {
    uid: sql`coalesce(uid, ${md5(sql`raw`)})`,
    time: sql`time`,
    service: sql`service`,
    action: sql`action`,
    raw: sql`raw`,
    hash: sql`hash`,
    shape: sql`shape`,
    file: sql`file`,
    position: sql`position`,
    batch: call((f) => f.cast(literal(batch.id), 'long')),
    run_id: literal(batch.runId),
    ingested_at: call((f) => f.cast(literal(batch.at.toISOString()), 'timestamp')),
    fault,
  } satisfies Record<string, Sql>;
  const texts = ['uid', 'service', 'action'].map((name) => sql`${present(identifier(name))} AS ${identifier(name)}`);
  const select = bronzeColumns.map(({ name }) => sql`${columns[name as keyof typeof columns]} AS ${identifier(name)}`);
  return sql`SELECT ${join(select, sql`, `)}
FROM (SELECT *, ${hash} AS hash FROM (SELECT file, position, raw, fault, shape, time, ignored, ${join(texts, sql`, `)} FROM (
  SELECT file, position, raw, fault, shape, ${lift.uid} AS uid, ${lift.time} AS time, ${lift.service} AS service, ${lift.action} AS action,
    ${ignore} AS ignored
  FROM (${parsed}) AS parsed) AS lifted) AS present) AS hashed`;
}
