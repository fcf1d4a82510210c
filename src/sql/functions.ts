import type { DateTime, EmailAddress, Ip, Json, Timestamp, Uuid } from '../../ocsf/types.ts';
import type { Type } from './dialect.ts';
import { type Condition, call, conversion, join, type Literal, list, literal, type Sql, sql, tested } from './sql.ts';

/** What a JSON record is read as: every leaf is text, however the log wrote it; `[text]` is a list of texts. */
export interface Shape {
  readonly [key: string]: typeof text | typeof texts | Shape;
}
/** A leaf: a string as it is, anything else as its JSON text. */
export const text = 'text';
/** A list whose elements are texts, each as `text`. */
export const texts = 'texts';

/** The functions that the engines spell differently. */
export interface Functions {
  fromJson(json: Sql, shape: Shape): Sql;
  listFromJson(json: Sql): Sql;
  /** The objects of a JSON list, each read as the shape. */
  recordsFromJson(json: Sql, shape: Shape): Sql;
  toJson(value: Sql): Sql;
  /** A text as a JSON string. */
  jsonString(value: Sql): Sql;
  isJson(json: Sql): Sql;
  jsonField(json: Sql, path: readonly string[]): Sql;
  struct(fields: readonly (readonly [string, Sql])[]): Sql;
  list(elements: readonly Sql[]): Sql;
  transform(elements: Sql, each: (element: Sql) => Sql): Sql;
  filter(elements: Sql, keep: (element: Sql) => Sql): Sql;
  concatLists(lists: readonly Sql[]): Sql;
  size(elements: Sql): Sql;
  element(elements: Sql, position: number): Sql;
  mapOfPairs(pairs: Sql): Sql;
  /** One row for each element; only in a SELECT list. */
  explode(elements: Sql): Sql;
  cast(value: Sql, type: Type): Sql;
  /** Length of a text in bytes. */
  bytes(value: Sql): Sql;
  matches(value: Sql, pattern: string): Sql;
  /** `$1` in `by` stands for the first group. */
  replaceAll(value: Sql, pattern: string, by: string): Sql;
  /** What the group of the first match holds; '' where nothing matches. */
  extract(value: Sql, pattern: string, group: number): Sql;
  /** The different texts that a group of the pattern matches, in order of their bytes. */
  extractAll(value: Sql, pattern: string, group: number): Sql;
  startsWith(value: Sql, prefix: Sql): Sql;
  /** Milliseconds since 1970 of an ISO 8601 text with its offset, of which the form was tested. */
  isoMillis(value: Sql): Sql;
  timestampOfMillis(millis: Sql): Sql;
  millisOfTimestamp(timestamp: Sql): Sql;
  md5(value: Sql): Sql;
  countDistinct(value: Sql, over: Sql): Sql;
  sumLong(value: Sql): Sql;
}

/** A typed NULL, which fits every attribute. */
export const absent: Sql<never> = sql<never>`NULL`;

export const fromJson = (json: Sql, shape: Shape): Sql => call((f) => f.fromJson(tested(json), shape));
export const toJson = (value: Sql): Sql<Json> => call((f) => f.toJson(value));

export const isJson = (value: Sql<string>): Condition => tested(call((f) => f.isJson(value)));

/** What the steps make of a value, each of what the one before made: a value that a step uses often is computed once. Only for few rows, inside a CASE. */
export const stepwise = (value: Sql<string>, ...steps: ((value: Sql<string>) => Sql<string>)[]): Sql<string> =>
  call((f) => {
    const lists = steps.reduce<Sql>((list, step) => f.transform(list, step as (e: Sql) => Sql), f.list([value]));
    return f.element(lists, 1);
  });

/** A member of a JSON text, as text; NULL where the text is not JSON or has no such member. It keeps no more than that. */
export const jsonField = (json: Sql<string>, ...path: string[]): Sql<string> =>
  call((f) => sql`CASE WHEN ${isJson(json)} THEN ${f.jsonField(tested(json), path)} END`);

/** The elements of a JSON list, each as text; NULL where the text is no JSON list. */
export const jsonList = (value: Sql<string>): Sql<string[]> =>
  call((f) => sql`CASE WHEN ${startsWith(value, '[')} AND ${f.isJson(value)} THEN ${f.listFromJson(value)} END`);

/** The text where it is JSON, else NULL. */
export const json = (value: Sql<string>): Sql<Json> =>
  conversion(
    value,
    call((f) => sql`CASE WHEN ${f.isJson(value)} THEN ${value} END`),
  );

/** A text as a JSON string, for attributes that take any JSON. */
export const jsonString = (value: Sql<string>): Sql<Json> => call((f) => f.jsonString(value));

/** JSON as it is; other text as a JSON string. Never NULL for text. */
export const jsonOrText = (value: Sql<string>): Sql<Json> =>
  call((f) => sql`CASE WHEN ${f.isJson(value)} THEN ${value} ELSE ${f.jsonString(value)} END`);

/** A JSON text in which the values of these members are REDACTED: texts at any depth, names in any case, also in JSON inside a string. */
export const redacted = (json: Sql<string>, names: readonly string[]): Sql<string> => {
  const member = `(${names.join('|')})`;
  return call((f) => {
    const direct = f.replaceAll(json, `(?i)("${member}" *: *)"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"`, '$1"REDACTED"');
    const inString = f.replaceAll(direct, `(?i)(\\\\"${member}\\\\" *: *)\\\\"[^"\\\\]*`, '$1\\\\"REDACTED');
    return sql`CASE WHEN ${matches(json, `(?i)${member}`)} THEN ${inString} ELSE ${json} END`;
  });
};

export const coalesce = <T>(...values: Sql<T>[]): Sql<T> =>
  values.length === 1 ? (values[0] as Sql<T>) : sql`coalesce(${list(values)})`;
/** The value unless it is one of the placeholders: not as nullif in nullif, of which engines write each value twice. */
export const nullIf = <T>(value: Sql<T>, ...placeholders: Literal[]): Sql<T> =>
  placeholders.length === 1
    ? sql`nullif(${value}, ${list(placeholders)})`
    : sql`CASE ${tested(value)}${join(
        placeholders.map((placeholder) => sql` WHEN ${placeholder} THEN NULL`),
        sql``,
      )} ELSE ${value} END`;
const PLACEHOLDERS = ['-', 'n/a', 'nan', 'none', 'null', 'undefined'];
const LONGEST = Math.max(...PLACEHOLDERS.map((word) => word.length));
const NOTHING = `(?i)^\\s*(${PLACEHOLDERS.join('|')})?\\s*$`;
const BLANKS = [' ', '\n', '\t', '\r'];
/** A text without blanks around it; NULL where nothing is left, or what logs write for no value. Blanks and control characters sort before '!'. */
export const present = (value: Sql<string>): Sql<string> => {
  const ends = join(
    BLANKS.map((blank) => sql`${value} LIKE ${`%${blank}`}`),
    sql` OR `,
  );
  const words = join(
    PLACEHOLDERS.map((word) => sql` WHEN ${word} THEN NULL`),
    sql``,
  );
  return call(
    (
      f,
    ) => sql`CASE WHEN ${value} < '!' OR ${ends} THEN CASE WHEN NOT ${f.matches(value, NOTHING)} THEN ${f.replaceAll(value, '^\\s+|\\s+$', '')} END
      WHEN ${f.bytes(value)} <= ${LONGEST} THEN CASE lower(${value})${words} ELSE ${value} END ELSE ${value} END`,
  );
};
export const lower = (value: Sql<string>): Sql<string> => sql`lower(${value})`;
export const concat = (...values: Sql<string>[]): Sql<string> => sql`(${join(values, sql` || `)})`;
/** The nth part, from 1; '' when there is none. */
export const splitPart = (value: Sql<string>, by: string, nth: number): Sql<string> =>
  sql`split_part(${tested(value)}, ${by}, ${nth})`;
/** The group of the first match, NULL where nothing matches. */
export const regexExtract = (value: Sql<string>, pattern: string, group: number): Sql<string> =>
  nullIf(
    call((f) => f.extract(tested(value), pattern, group)),
    '',
  );

export const equals = <T>(a: Sql<T>, b: Sql<T> | (T & Literal)): Condition => tested(sql`(${a} = ${b as Literal})`);
// DuckDB makes a join of an IN with three values or more, which drags whole rows along.
export const isIn = (value: Sql<string>, values: readonly string[]): Condition =>
  values.length === 0
    ? sql`FALSE`
    : values.length <= 2
      ? tested(sql`${value} IN (${list(values)})`)
      : tested(
          sql`CASE WHEN ${value} IS NOT NULL THEN CASE ${value}${join(
            values.map((one) => sql` WHEN ${one} THEN TRUE`),
            sql``,
          )} ELSE FALSE END END`,
        );
export const isNull = (value: Sql): Condition => tested(sql`${value} IS NULL`);
export const isNotNull = (value: Sql): Condition => tested(sql`${value} IS NOT NULL`);
export const and = (...conditions: Condition[]): Condition => tested(sql`(${join(conditions, sql` AND `)})`);
export const or = (...conditions: Condition[]): Condition => tested(sql`(${join(conditions, sql` OR `)})`);
/** True also where the condition is NULL. */
export const not = (condition: Condition): Condition => tested(sql`NOT coalesce(${condition}, FALSE)`);
export const matches = (value: Sql<string>, pattern: string): Condition =>
  tested(call((f) => f.matches(value, pattern)));
export const replaceAll = (value: Sql<string>, pattern: string, by: string): Sql<string> =>
  call((f) => f.replaceAll(value, pattern, by));
/** The different texts that a group of the pattern matches, in order; an empty list where there is none. */
export const extractAll = (value: Sql<string>, pattern: string, group: number): Sql<string[]> =>
  call((f) => f.extractAll(value, pattern, group));
export const startsWith = (value: Sql<string>, prefix: string): Condition =>
  tested(call((f) => f.startsWith(value, literal(prefix))));
export const md5 = (value: Sql<string>): Sql<string> => call((f) => f.md5(value));

/** CASE with the conditions in order; NULL when none holds and there is no `otherwise`. */
export function when<T>(branches: readonly (readonly [Condition, Sql<T>])[], otherwise?: Sql<T>): Sql<T> {
  const whens = branches.map(([condition, value]) => sql` WHEN ${tested(condition)} THEN ${value}`);
  return sql`CASE${join(whens, sql``)}${otherwise ? sql` ELSE ${otherwise}` : sql``} END`;
}

/** The value to which a text stands in the table; `otherwise` for any other text and NULL. */
export function lookup<const V extends string | number, O = never>(
  value: Sql<string>,
  table: Readonly<Record<string, V>>,
  otherwise?: Sql<O>,
): Sql<V | O> {
  const whens = Object.entries(table).map(([from, to]) => sql` WHEN ${from} THEN ${to}`);
  const found = conversion(value, sql<V>`CASE ${value}${join(whens, sql``)} END`);
  return otherwise ? coalesce<V | O>(found, otherwise) : found;
}

// DuckDB may compute what stands twice before the CASE that guards it, so what can fail is tried.
const INTEGER = '^[+-]?([0-9]{1,19}|[0-9]{1,16}\\.0+)$';
// What DuckDB writes as 12000000.0, Spark writes as 1.2E7: a number of JSON with a fraction, from ten million on.
const LARGE = '^-?[1-9]\\.[0-9]{1,15}E([7-9]|1[0-5])$';
const wholeNumber = <T>(value: Sql<string>, type: Sql): Sql<T> => {
  const large = sql`try_cast(${value} AS DOUBLE)`;
  return conversion(
    value,
    call(
      (f) => sql`CASE WHEN ${f.matches(value, INTEGER)} THEN try_cast(split_part(${value}, '.', 1) AS ${type})
        WHEN ${f.matches(value, LARGE)} THEN CASE WHEN ${large} % 1 = 0 THEN try_cast(${large} AS ${type}) END END`,
    ),
  );
};

/** A 32-bit integer in decimal digits, or as engines write a whole number of JSON; NULL for anything else. */
export const integer = (value: Sql<string>): Sql<number> => wholeNumber(value, sql`INT`);
/** A 64-bit integer in decimal digits, or as engines write a whole number of JSON; NULL for anything else. */
export const long = (value: Sql<string>): Sql<bigint> => wholeNumber(value, sql`BIGINT`);
/** TRUE and FALSE in any case; NULL for anything else. */
export const boolean = (value: Sql<string>): Sql<boolean> =>
  conversion(value, sql`CASE lower(${value}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END`);

const ISO =
  '^[0-9]{4}-[01][0-9]-[0-3][0-9][T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?)?$';
const ISO_BASIC = '^[0-9]{4}[01][0-9][0-3][0-9]T([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z$';
/** Milliseconds since 1970 of an ISO 8601 time (extended or `20131102T010628Z`), UTC where it names no offset. */
export const isoTime = (value: Sql<string>): Sql<Timestamp> =>
  conversion(
    value,
    call(
      (f) => sql`CASE WHEN ${f.matches(value, ISO)} THEN ${f.isoMillis(value)}
        WHEN ${f.matches(value, ISO_BASIC)} THEN ${f.isoMillis(
          sql`concat_ws('', substring(${value}, 1, 4), '-', substring(${value}, 5, 2), '-', substring(${value}, 7, 5), ':', substring(${value}, 12, 2), ':', substring(${value}, 14, 3))`,
        )} END`,
    ),
  );
/** Milliseconds since 1970 of a count of seconds or, with `unit` 1, of milliseconds; NULL after the year 33658, for engines count microseconds in 64 bits. */
export const epochTime = (value: Sql<string>, unit: 1 | 1000): Sql<Timestamp> =>
  conversion(
    value,
    call(
      (f) =>
        sql`CASE WHEN ${f.matches(value, unit === 1 ? '^[0-9]{1,15}$' : '^[0-9]{1,12}$')} THEN try_cast(${value} AS BIGINT) * ${unit} END`,
    ),
  );

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const DOTTED = `(${OCTET}[.]){3}${OCTET}`;
const IPV4 = `^${DOTTED}$`;
const GROUP = '[0-9A-Fa-f]{1,4}';
const IPV6 = `^(${[
  `(${GROUP}:){7}${GROUP}`,
  ...[1, 2, 3, 4, 5, 6].map((n) => `(${GROUP}:){1,${n}}(:${GROUP}){1,${7 - n}}`),
  `(${GROUP}:){1,7}:`,
  `:(:${GROUP}){1,7}`,
  '::',
  `((${GROUP}:){6}|::(${GROUP}:){0,5}|${[1, 2, 3, 4, 5].map((n) => `(${GROUP}:){1,${n}}:(${GROUP}:){0,${5 - n}}`).join('|')})${DOTTED}`,
].join('|')})$`;
const MAPPED = '^(::|(0{1,4}:){1,5}|(0{1,4}:){0,4}:)[fF]{4}:([0-9.]+)$';
const RUNS_OF_ZEROS = [8, 7, 6, 5, 4, 3, 2].map((n) => `${':0'.repeat(n)}:`);

/** An IPv6 address as RFC 5952 has it: lower case, no leading zeros, the first of the longest runs of zeros as `::`; one that ends as IPv4 only in lower case. */
const canonical = (address: Sql<string>): Sql<string> => {
  const missing = (e: Sql): Sql =>
    call(
      (f) =>
        sql`${f.cast(sql`8 - (length(${e}) - length(replace(${e}, ':', '')))`, 'integer')} + CASE WHEN ${f.matches(e, '^::|::$')} THEN 1 ELSE 0 END`,
    );
  const shorter = (e: Sql<string>): Sql<string> =>
    when(
      RUNS_OF_ZEROS.map((zeros) => [sql<boolean>`contains(${e}, ${zeros})`, replaceAll(e, `^(.*?)${zeros}`, '$1::')]),
      e,
    );
  const pure = (step: (e: Sql<string>) => Sql<string>) => (e: Sql<string>) =>
    when([[sql<boolean>`contains(${e}, '.')`, e]], step(e));
  return stepwise(
    address,
    (e) => lower(when([[matches(e, MAPPED), regexExtract(e, '[0-9.]+$', 0)]], e)),
    pure((e) =>
      when(
        [[sql<boolean>`contains(${e}, '::')`, sql<string>`replace(${e}, '::', ':' || repeat('0:', ${missing(e)}))`]],
        e,
      ),
    ),
    pure((e) => replaceAll(sql<string>`(':' || trim(BOTH ':' FROM ${e}) || ':')`, ':0*([0-9a-f]+)', ':$1')),
    pure(shorter),
    pure((e) => replaceAll(e, '^:([^:])|([^:]):$', '$1$2')),
  );
};

const ip = (value: Sql<string>, v6: Sql<string>): Sql<Ip> =>
  conversion(
    value,
    call((f) => sql`CASE WHEN ${f.matches(value, IPV4)} THEN ${value} WHEN ${f.matches(value, IPV6)} THEN ${v6} END`),
  );
/** An IPv4 or IPv6 address, without port or zone, IPv6 in its canonical form (RFC 5952), an IPv4 address mapped to IPv6 as IPv4; NULL for anything else. */
export const ipAddress = (value: Sql<string>): Sql<Ip> => ip(value, canonical(value));
/** Whether an IPv4 or IPv6 address stands there. */
export const isIpAddress = (value: Sql<string>): Condition => isNotNull(ip(value, value));

const EMAIL = "^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@[a-zA-Z0-9-]+[.][a-zA-Z0-9.-]+$";
/** An e-mail address as OCSF writes one; NULL for anything else. */
export const email = (value: Sql<string>): Sql<EmailAddress> =>
  conversion(
    value,
    call((f) => sql`CASE WHEN ${f.matches(value, EMAIL)} THEN ${value} END`),
  );
const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
/** A UUID; NULL for anything else. */
export const uuid = (value: Sql<string>): Sql<Uuid> =>
  conversion(
    value,
    call((f) => sql`CASE WHEN ${f.matches(value, UUID)} THEN ${value} END`),
  );
export const isUuid = (value: Sql<string>): Condition => isNotNull(uuid(value));
const DATE_TIME = ISO.replace('[T ]', 'T').replace('(:?[0-5][0-9])?)', ':[0-5][0-9])');
/** A text that is an ISO 8601 time as OCSF's `_dt` attributes have it, with T and a colon in the offset; NULL for anything else. */
export const dateTime = (value: Sql<string>): Sql<DateTime> =>
  conversion(
    value,
    call((f) => sql`CASE WHEN ${f.matches(value, DATE_TIME)} THEN ${value} END`),
  );
