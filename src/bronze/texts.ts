import { createHash } from 'node:crypto';
import type { Column, Table } from '../sql/dialect.ts';
import { fromJson, isJson, redacted, type Shape } from '../sql/functions.ts';
import { call, identifier, join, list, type Relation, type Sql, sql } from '../sql/sql.ts';
import { CONTROL_MESSAGE, DECODE, HEADER_NAMES, IGNORED, underscored } from './read.ts';
import { LONGEST_EXAMPLE, LONGEST_NAME, MOST_FIELDS, placesOf } from './shape.ts';
import { RECORD, type Source } from './source.ts';

/** What a streaming table keeps of each file: where it is, its size in bytes, when it was changed in milliseconds since 1970, the SHA-256 of its text, and the text. */
const arrivedColumns: readonly Column[] = [
  { name: 'path', type: 'text' },
  { name: 'size', type: 'long' },
  { name: 'mtime', type: 'long' },
  { name: 'content_hash', type: 'text' },
  { name: 'text', type: 'text', bulky: true },
];

/** A path of the manifest and the streaming tables that its files arrive in. */
export interface Arrived {
  readonly source: string;
  readonly path: string;
  /** The files' texts; what cannot be inflated or read is not there. */
  readonly files: Table & Relation;
  /** Every file: path, size and time. */
  readonly listing: Table & Relation;
}

/** Where the files of a source's paths arrive; another path has other tables, for a streaming table goes on where it was with the files of its path. */
export const arrivedOf = (source: Source, paths: readonly string[]): Arrived[] =>
  paths.map((path) => {
    const suffix = createHash('sha256').update(path).digest('hex').slice(0, 8);
    const comment = `${source.title}: what lies under ${path}`;
    return {
      source: source.source,
      path,
      files: { name: `${source.name}_files_${suffix}`, columns: arrivedColumns, comment },
      listing: {
        name: `${source.name}_listing_${suffix}`,
        columns: arrivedColumns.filter(({ name }) => ['path', 'size', 'mtime'].includes(name)),
        comment,
      },
    };
  });

/** The records that were found in files or tables before they are lifted: (file, position, raw, fault), and the shape of each. */
type Found = Sql;

const MALFORMED = `${DECODE}malformed JSON`;
const BLANKS = ' \r\n\t';

const compact = (value: Sql): Sql => sql`get_json_object(${value}, '$')`;
/** A text without a byte order mark and blanks around it. */
const bare = (value: Sql): Sql => sql`trim(BOTH ${`\uFEFF${BLANKS}`} FROM ${value})`;

/** The lists that an envelope can hold, each read by itself where it is there: engines find a struct's fields in any case. */
function recordsOf(source: Source, document: Sql): Sql {
  const member = (name: string): Sql =>
    sql`CASE WHEN contains(${document}, ${`"${name}"`}) THEN ${fromJson(document, { [name]: 'texts' })}.${identifier(name)} END`;
  const whole = sql`array(${compact(document)})`;
  return sql`CASE WHEN startswith(${document}, '[') THEN from_json(${document}, 'ARRAY<STRING>') ELSE coalesce(${list([...source.envelope.lists.map(member), whole])}) END`;
}

/** (file, position, raw, reason) of each record in the JSON texts of files: one document, or one a line. */
function recordsOfTexts(source: Source, files: Sql): Sql {
  const lines = sql`filter(split(body, '\\r?\\n'), l -> ${bare(sql`l`)} <> '')`;
  return sql`SELECT file, n + p AS position, record AS raw, reason FROM (
  SELECT file, n, reason, posexplode(records) AS (p, record) FROM (
    SELECT file, n, CASE WHEN valid THEN ${recordsOf(source, sql`document`)} ELSE array(document) END AS records,
      CASE WHEN NOT valid THEN ${MALFORMED} END AS reason FROM (
      SELECT file, n + 1 AS n, document, whole OR coalesce(${isJson(sql`document`)}, FALSE) AS valid FROM (
        SELECT file, whole, posexplode(CASE WHEN whole THEN array(body) ELSE ${lines} END) AS (n, document) FROM (
          SELECT file, body, coalesce(${isJson(sql`body`)}, FALSE) AS whole FROM (${files}) AS texts) AS bodies) AS documents) AS judged) AS split) AS records`;
}

/** The record inside a wrapper such as an EventBridge event. */
function unwrapped(source: Source, raw: Sql): Sql {
  const { members, bare } = source.envelope;
  if (members.length === 0) return raw;
  const looks = members.map((name) => sql`contains(${raw}, ${`"${name}"`})`);
  const inner = members.map((name) => {
    const member = sql`${fromJson(raw, { [name]: 'text' })}.${identifier(name)}`;
    return sql`CASE WHEN startswith(${member}, '{') THEN coalesce(${compact(member)}, ${member}) END`;
  });
  const other = bare === undefined ? sql`TRUE` : sql`NOT startswith(${raw}, ${bare})`;
  return sql`CASE WHEN startswith(${raw}, '{') AND ${other} AND (${join(looks, sql` OR `)}) THEN coalesce(${list([...inner, raw])}) ELSE ${raw} END`;
}

/** A number for the names of a record's members wherever its source declares members. */
const shapeOf = (source: Source, raw: Sql): Sql => {
  const keys = placesOf(source.shape).map(({ path }) =>
    path.length === 0 ? sql`json_object_keys(${raw})` : sql`json_object_keys(${call((f) => f.jsonField(raw, path))})`,
  );
  return sql`shiftrightunsigned(xxhash64(${list([source.source, ...keys])}), 1)`;
};

/** The fields of a record that its source does not declare, each with its value in this record, by name. */
export function undeclaredIn(source: Source, raw: Sql): Sql {
  const shown = source.secrets.length > 0 ? redacted(raw as Sql<string>, source.secrets) : raw;
  const found = placesOf(source.shape).map(({ path, names }) => {
    const at = (json: Sql): Sql => (path.length === 0 ? json : call((f) => f.jsonField(json, path)));
    const prefix = path.map((name) => `${name}.`).join('');
    const foreign = sql`filter(json_object_keys(${at(raw)}), k -> NOT array_contains(array(${list(names)}), lower(k)))`;
    const value = sql`from_json(${at(shown)}, 'MAP<STRING, STRING>')[k]`;
    return sql`transform(coalesce(${foreign}, array()), k -> named_struct('field', ${prefix} || left(k, ${LONGEST_NAME}), 'example', left(${value}, ${LONGEST_EXAMPLE})))`;
  });
  return sql`slice(array_sort(array_distinct(flatten(array(${list(found)})))), 1, ${MOST_FIELDS})`;
}

const jsonRecords = (source: Source, records: Sql): Found =>
  sql`SELECT file, position, raw, fault, ${shapeOf(source, sql`raw`)} AS shape FROM (
  SELECT file, position, raw, coalesce(reason, CASE WHEN NOT startswith(coalesce(raw, ''), '{') THEN 'not a JSON object' END) AS fault
  FROM (SELECT file, position, reason, CASE WHEN reason IS NULL THEN ${unwrapped(source, sql`raw`)} ELSE raw END AS raw FROM (${records}) AS records) AS bare) AS objects`;

/** Lines as a flow log's records: JSON objects by the names of their header. */
const flowRecords = (source: Source, lines: Sql): Found => {
  const key = sql`${underscored(sql`e.key`)}`;
  const object = sql`to_json(map_from_entries(transform(map_entries(from_json(line, 'MAP<STRING, STRING>')), e -> struct(${key}, e.value))))`;
  const keys = sql`transform(json_object_keys(line), k -> ${underscored(sql`k`)})`;
  return sql`SELECT file, position, fault, CASE WHEN fault IS NOT NULL THEN line WHEN is_object THEN ${object}
    ELSE to_json(map_from_arrays(names, fields)) END AS raw,
    shiftrightunsigned(xxhash64(${source.source}, CASE WHEN is_object THEN ${keys} ELSE names END), 1) AS shape FROM (
  SELECT *, CASE WHEN reason IS NOT NULL THEN reason WHEN startswith(line, ${CONTROL_MESSAGE}) THEN ${`${IGNORED}${CONTROL_MESSAGE}`}
      WHEN is_object THEN CASE WHEN size(array_distinct(${keys})) < size(${keys}) THEN 'names a field twice' END
      WHEN size(fields) <> size(names) THEN size(fields) || ' fields, the header has ' || size(names)
      WHEN size(array_distinct(names)) < size(names) THEN 'the header names a field twice' END AS fault
  FROM (SELECT *, split(line, ' ') AS fields, startswith(line, '{') AND coalesce(${isJson(sql`line`)}, FALSE) AS is_object FROM (${lines}) AS lines WHERE line <> '') AS fielded) AS judged`;
};

const isHeader = (line: Sql): Sql =>
  sql`NOT (${line} >= '0' AND ${line} < ':') AND (${join(
    HEADER_NAMES.map((name) => sql`contains(${line}, ${name})`),
    sql` OR `,
  )})`;

const namesOf = (line: Sql): Sql => sql`split(${underscored(line)}, ' ')`;

/** (file, position, line, reason, names) of the lines of plain texts; a header holds for what follows it. */
function linesOfTexts(files: Sql, header: readonly string[]): Sql {
  const lines = sql`filter(transform(split(body, '\\n'), l -> trim(BOTH ${BLANKS} FROM l)), l -> l <> '')`;
  return sql`SELECT file, position, line, CAST(NULL AS STRING) AS reason,
    coalesce(${namesOf(sql`try_element_at(filter(headers, h -> h.at < at), -1).line`)}, array(${list(header)})) AS names FROM (
  SELECT file, headers, at, at + 1 - size(filter(headers, h -> h.at <= at)) AS position, line FROM (
    SELECT file, headers, posexplode(lines) AS (at, line) FROM (
      SELECT file, lines, filter(transform(lines, (l, i) -> named_struct('at', i, 'line', l)), h -> ${isHeader(sql`h.line`)}) AS headers
      FROM (SELECT file, ${lines} AS lines FROM (${files}) AS texts) AS split) AS headed) AS numbered) AS plain WHERE NOT coalesce(${isHeader(sql`line`)}, FALSE)`;
}

/** The text lines inside JSON: messages of a log shipper such as CloudWatch, or objects with a member for each field. */
function linesInJson(source: Source, records: Sql, header: readonly string[]): Sql {
  const members = source.envelope.members.map(
    (name) => sql`${fromJson(sql`raw`, { [name]: 'text' })}.${identifier(name)}`,
  );
  const line = sql`CASE WHEN reason IS NULL AND startswith(raw, '{') THEN coalesce(${list([...members, sql`raw`])}) ELSE raw END`;
  return sql`SELECT file, position, trim(BOTH ${BLANKS} FROM ${line}) AS line, reason, array(${list(header)}) AS names FROM (${records}) AS records`;
}

const withRecord = (found: Found, wanted: Shape): Sql =>
  sql`SELECT file, position, raw, fault, CASE WHEN fault IS NULL THEN ${fromJson(sql`raw`, wanted)} END AS ${identifier(RECORD)}, shape FROM (${found}) AS found`;

/** Reads the records in texts of files (`file`, `text`) on Spark, as `lifted` wants them; what its parser refuses is marked to be decoded. */
export const readTexts =
  (source: Source, files: Sql, format: readonly string[] | undefined) =>
  (wanted: Shape): Sql => {
    const bodies = sql`SELECT file, ${bare(sql`text`)} AS body FROM (${files}) AS files`;
    if (source.content === 'json') return withRecord(jsonRecords(source, recordsOfTexts(source, bodies)), wanted);
    const header = format ?? source.header;
    const inJson = sql`SELECT * FROM (${bodies}) AS bodies WHERE startswith(body, '{') OR startswith(body, '[')`;
    const plain = sql`SELECT * FROM (${bodies}) AS bodies WHERE NOT (startswith(body, '{') OR startswith(body, '['))`;
    const lines = sql`${linesOfTexts(plain, header)}\nUNION ALL\n${linesInJson(source, recordsOfTexts(source, inJson), header)}`;
    return withRecord(flowRecords(source, lines), wanted);
  };

/** Reads what the decoder made of a file: rows of (position, raw, reason, header). */
export const readDecoded =
  (source: Source, file: string, rows: Sql, format: readonly string[] | undefined) =>
  (wanted: Shape): Sql => {
    if (source.content === 'json') {
      const reason = sql`CASE WHEN reason IS NULL AND NOT coalesce(${isJson(sql`raw`)}, FALSE) THEN 'malformed JSON' ELSE reason END`;
      const records = sql`SELECT ${file} AS file, position, CASE WHEN reason IS NULL THEN coalesce(${compact(sql`raw`)}, raw) ELSE raw END AS raw, ${reason} AS reason FROM (${rows}) AS decoded`;
      return withRecord(jsonRecords(source, records), wanted);
    }
    const names = sql`coalesce(from_json(header, 'ARRAY<STRING>'), array(${list(format ?? source.header)}))`;
    const lines = sql`SELECT ${file} AS file, position, raw AS line, reason, ${names} AS names FROM (${rows}) AS decoded`;
    return withRecord(flowRecords(source, lines), wanted);
  };

/** Reads rows of a table as records of a source that has them as JSON objects. */
export const readTable =
  (source: Source, table: string, rows: Sql) =>
  (wanted: Shape): Sql => {
    const records = sql`SELECT ${table} AS file, CAST(NULL AS BIGINT) AS position, to_json(struct(*)) AS raw, CAST(NULL AS STRING) AS reason FROM (${rows}) AS given`;
    return withRecord(jsonRecords(source, records), wanted);
  };
