import { describe, expect, test } from 'vitest';
import { expectationsOf } from '../../src/bronze/expectations.ts';
import { sources } from '../../src/bronze/index.ts';
import { arrivedOf, readDecoded, readTable, readTexts } from '../../src/bronze/texts.ts';
import { carriedQuarantine, carriedRecords, carriedShapes } from '../../src/carried.ts';
import { triage } from '../../src/gold/triage.ts';
import {
  againStatements,
  changesOf,
  feedStatements,
  forgetDefinitions,
  highestOnly,
  hoursOf,
  judgement,
  keepRefused,
  leaveQuarantine,
  moveWatermarks,
  ownRows,
  pipelineOf,
  preparation,
  quarantineRefused,
  rangeRows,
  refusedBatches,
  rememberDefinitions,
  routedByClass,
  routedRows,
  state,
  storedByFile,
  superseded,
  tablesOf,
  unfinished,
  viewStatements,
  withoutRefused,
  withoutRouted,
  withoutUnfinished,
} from '../../src/plan.ts';
import { silverExpectations } from '../../src/silver/expectations.ts';
import { databricks } from '../../src/sql/databricks.ts';
import type { Dialect, Type } from '../../src/sql/dialect.ts';
import { duckdb } from '../../src/sql/duckdb.ts';
import { isNull } from '../../src/sql/functions.ts';
import { fields } from '../../src/sql/record.ts';
import { spark } from '../../src/sql/spark.ts';
import { type Part, type Sql, spell, visit } from '../../src/sql/sql.ts';
import type { BronzeStage } from '../../src/stage.ts';
import {
  arrival,
  arriveStatements,
  decodedRows,
  newFiles,
  tableHours,
  tableRows,
  textsOf,
  watermarkOf,
} from '../../src/streamed.ts';

const pipeline = pipelineOf({
  bronze: Object.fromEntries(Object.keys(sources).map((name) => [name, { path: 'x' }])),
  silver: 'all',
  gold: { detections: 'all', summaries: 'all' },
});

/** Statements that a run sends to every engine, of every stage; how files are read is DuckDB's alone. */
function statements(dialect: Dialect): string[] {
  const { bronze, silver, ranges } = pipeline;
  const hour = { from: 0, until: 3_600_000 };
  const span = { column: 'time', least: 0, most: 1 };
  const batch = { id: 1, runId: 'r', at: new Date(0) };
  const refused = [{ uid: 'u', hash: null, reason: 'why' }];
  const times = ['all', [hour], undefined] as const;
  return [
    ...preparation(pipeline, [triage], dialect),
    ...viewStatements(pipeline, dialect),
    ...silver.flatMap((stage) =>
      stage.feeds.flatMap((feed) => feedStatements(stage, feed.source.source, dialect, span)),
    ),
    ...silver.flatMap((stage) => againStatements(stage, hour, 1, dialect)),
    ...ranges.flatMap((stage) =>
      times.flatMap((t) => dialect.replace(stage.table, ownRows(stage, t), rangeRows(stage, t, dialect))),
    ),
    ...ranges.map((stage) => changesOf(stage.table, spellable(stage.select), 1, dialect)),
    spell(
      routedRows(
        bronze.map((stage) => ({ stage, from: 0, until: 1 })),
        hour,
      ),
      dialect,
    ),
    routedByClass(dialect),
    ...bronze.flatMap((stage) => [
      hoursOf(stage, hour, dialect),
      storedByFile(stage, batch, dialect),
      refusedBatches(stage, dialect),
      ...carriedRecords(stage, '[]', span, dialect),
      ...quarantineRefused(stage, [1], dialect),
      ...silver.flatMap((into) => [
        ...withoutRouted(into, stage, dialect),
        ...silverExpectations.flatMap((one) => Object.values(judgement(into, stage, one, dialect))),
      ]),
    ]),
    ...silver.flatMap((stage) => withoutRefused(stage, refused, dialect)),
    ...carriedShapes('[]', dialect),
    ...carriedQuarantine('[]', dialect),
    ...keepRefused(refused, dialect),
    ...moveWatermarks([{ stage: 's', input: 'i', position: 1 }], dialect),
    ...rememberDefinitions([{ name: 's', hash: 'h' }], dialect),
    ...forgetDefinitions(['s'], dialect),
    ...[highestOnly(state.watermarks, 'position', dialect)].flatMap((one) => [one.counts, ...one.statements]),
    unfinished(['bronze.cloudtrail'], 1, dialect),
    withoutUnfinished('bronze.cloudtrail', 1, dialect),
    superseded(1, dialect),
    leaveQuarantine('cloudtrail', ['f'], 1, dialect),
    ...(dialect.files === 'read' ? [] : bronze.flatMap((stage) => arrivalStatements(stage, dialect))),
  ];
}

/** Statements of an engine that reads a source itself. */
function arrivalStatements(stage: BronzeStage, dialect: Dialect): string[] {
  const expected = expectationsOf(stage.source.source, { clean_schema: 'drop' });
  const steps = arrival(stage, { id: 1, runId: 'r', at: new Date(0) }, expected, dialect);
  const arrived = arrivedOf(stage.source, ['s3://logs/', 's3://others/']);
  const file = { path: 's3://logs/f', size: 1, mtime: 2 };
  return [
    ...arrived.flatMap((one) => arriveStatements(one, { folder: one.path, names: '*.json.gz' })),
    newFiles(arrived, true, dialect),
    steps.clear,
    ...steps.read(readTexts(stage.source, textsOf(arrived, [file]), undefined)),
    ...steps.read(readDecoded(stage.source, 'f', decodedRows('[]'), undefined)),
    ...steps.readNew('access.audit', readTable(stage.source, 'access.audit', tableRows('access.audit', 0, 1)), 0, 1),
    tableHours('access.audit', 0, dialect),
    watermarkOf(stage, 'access.audit', dialect),
    ...steps.rememberShapes,
    ...steps.refuse,
    ...steps.toQuarantine,
    ...steps.intoBronze({ column: 'time', least: 0, most: 1 }),
    ...[steps.times, steps.undecoded, steps.forget('f'), steps.toDecode, steps.records, steps.kept, steps.reasons],
  ];
}

const spellable = (select: Sql): Sql => ({
  parts: [{ kind: 'text', text: '(' }, ...select.parts, { kind: 'text', text: ') AS q' }],
});

const LITERALS = { duckdb: /'(?:[^']|'')*'/g, spark: /'(?:[^'\\]|\\.)*'/gs } as const;
const NAMES = { duckdb: /"(?:[^"]|"")*"/g, spark: /`(?:[^`]|``)*`/g } as const;

/** A statement in which `'n'` stands for its nth literal and `q` for every quoted name. */
interface Bare {
  readonly text: string;
  readonly literals: readonly string[];
}
function bare(statement: string, dialect: Dialect): Bare {
  const of = dialect.name === 'duckdb' ? 'duckdb' : 'spark';
  const literals: string[] = [];
  const text = statement
    .replace(LITERALS[of], (one) => `'${literals.push(one.slice(1, -1)) - 1}'`)
    .replace(NAMES[of], 'q');
  return { text, literals };
}

/** The arguments of each call of a function, as text. */
function calls(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`\\b${name}\\(`, 'g'))].map(({ index, 0: { length } }) => {
    let depth = 1;
    let end = index + length;
    for (; depth > 0; end++) depth += text[end] === '(' ? 1 : text[end] === ')' ? -1 : 0;
    return text.slice(index + length, end - 1);
  });
}

/** Pieces of a list that commas outside parentheses separate. */
function pieces(text: string): string[] {
  const found = [''];
  let depth = 0;
  for (const one of text) {
    depth += one === '(' ? 1 : one === ')' ? -1 : 0;
    if (one === ',' && depth === 0) found.push('');
    else found[found.length - 1] += one;
  }
  return found.map((one) => one.trim());
}

/** What a statement orders by, until its parenthesis ends or a frame or limit begins. */
const orders = (text: string): string[] =>
  [...text.matchAll(/\bORDER BY /g)].flatMap(({ index }) => {
    let depth = 0;
    let end = index + 9;
    for (; end < text.length && depth >= 0; end++) depth += text[end] === '(' ? 1 : text[end] === ')' ? -1 : 0;
    return pieces(text.slice(index + 9, depth < 0 ? end - 1 : end).replace(/\b(RANGE|ROWS|LIMIT|GROUP BY)\b.*$/s, ''));
  });

const unique = (found: readonly string[]): string[] => [...new Set(found)].sort();

describe.each([duckdb, spark, databricks].map((dialect) => [dialect.name, dialect] as const))(
  'no statement for %s leaves an answer to the engine:',
  (_, dialect) => {
    const all = unique(statements(dialect)).map((statement) => bare(statement, dialect));
    const texts = all.map(({ text }) => text);
    const matching = (pattern: RegExp): string[] =>
      unique(texts.flatMap((text) => [...text.matchAll(pattern)].map(([found]) => found)));
    const onDuckDB = dialect.name === 'duckdb';

    test('what is ordered says where NULLs go', () => {
      const found = texts.flatMap(orders);
      expect(found.length).toBeGreaterThan(50);
      expect(unique(found.filter((one) => !/ NULLS (FIRST|LAST)$/.test(one.trim())))).toEqual([]);
    });

    test('texts are joined by bars, and lists only where NULL was made an empty one', () => {
      expect(matching(/\bconcat\((?!coalesce\()/g)).toEqual([]);
      expect(texts.filter((text) => text.includes(' || ')).length).toBeGreaterThan(20);
      if (!onDuckDB) {
        const lists = texts.flatMap((text) => calls(text, 'concat').flatMap(pieces));
        expect(lists.length).toBeGreaterThan(10);
        expect(lists.filter((one) => !/^coalesce\(.*, array\(\)\)$/s.test(one))).toEqual([]);
      }
    });

    test('every match of a pattern is replaced', () => {
      const flags = all.flatMap(({ text, literals }) =>
        calls(text, 'regexp_replace').map((one) => {
          const given = pieces(one);
          return [given.length, literals[Number(given.at(3)?.slice(1, -1))] ?? ''].join(' ');
        }),
      );
      expect(unique(flags)).toEqual(onDuckDB ? ['4 g'] : ['3 ']);
    });

    test('LIKE has no backslash and no wildcard but one, at an end', () => {
      const patterns = all.flatMap(({ text, literals }) =>
        [...text.matchAll(/ I?LIKE ('(\d+)'|.)/g)].map((found) => literals[Number(found[2] ?? Number.NaN)] ?? found[0]),
      );
      expect(patterns.length).toBeGreaterThan(50);
      const blank = onDuckDB ? /^%[ \n\t\r]$/ : /^%( |\\n|\\t|\\r)$/;
      expect(unique(patterns.filter((one) => !blank.test(one) && !/^[A-Za-z ]+%$/.test(one)))).toEqual([]);
      expect(matching(/ (SIMILAR TO|RLIKE|REGEXP|GLOB) |~/g)).toEqual([]);
    });

    test('literals have neither two quotes nor backslashes nor variables that the dialect did not write', () => {
      const selects: Sql[] = [
        ...pipeline.silver.flatMap((stage) => stage.feeds.map((feed) => feed.select)),
        ...[...pipeline.ranges, ...pipeline.views].map((stage) => stage.select),
      ];
      const written: string[] = [];
      for (const select of selects)
        visit(select, dialect.functions, (part: Part) => {
          if (part.kind === 'text') written.push(part.text);
          return 'deeper';
        });
      const quoted = written.map((text) => [...text.matchAll(/'[^']*'/g)]);
      const odd = quoted.flat().filter(([one]) => /\\|\$\{/.test(one));
      const joined = quoted.flatMap((ones) =>
        ones.filter((one, i) => i > 0 && one.index === (ones[i - 1]?.index ?? 0) + (ones[i - 1]?.[0].length ?? 0)),
      );
      expect(quoted.flat().length).toBeGreaterThan(100);
      expect([...odd, ...joined].map(([one]) => one)).toEqual([]);
    });

    test('no day of a week is asked for', () => {
      expect(matching(/\b(dayofweek|weekday|isodow|dow|dayname|date_part|datepart|extract)\b/gi)).toEqual([]);
    });

    test('nothing is divided by what can be 0', () => {
      expect(matching(/\/+ *\S+/g)).toEqual(['/ 3600000']);
      expect(matching(/(?<!')% *[^'\s)]+/g).filter((one) => !/^% [1-9]\d*L?$/.test(one))).toEqual([]);
      expect(matching(/\b(mod|div|fmod)\(|\bDIV\b/gi)).toEqual([]);
    });

    test('casts of text that can fail are tried, to whole numbers, doubles and times with a zone', () => {
      const zone = onDuckDB ? 'TIMESTAMPTZ' : 'TIMESTAMP';
      const targets = unique(
        texts.flatMap((text) => calls(text, 'try_cast').map((one) => one.replace(/^.* AS /s, ''))),
      );
      expect(targets).toEqual(['BIGINT', 'DOUBLE', 'INT', zone]);
      expect(matching(/::/g)).toEqual([]);
      if (onDuckDB) expect(matching(/\bTIMESTAMP\b|\bDATETIME\b/g)).toEqual([]);
    });

    test('sums have 64 bits, or become doubles as a whole', () => {
      const cast = calls(texts.join('\n'), 'CAST').filter((one) => /^(coalesce\()?sum\(/.test(one));
      const sums = matching(/\bsum\(/g).length === 0 ? 0 : texts.join('\n').split(/\bsum\(/).length - 1;
      expect(sums).toBeGreaterThan(10);
      if (onDuckDB) expect(cast.length).toBe(sums);
      expect(unique(cast.map((one) => one.replace(/^.* AS /s, '')))).toEqual(['BIGINT', 'DOUBLE']);
      expect(matching(/\b(count_if|countif|avg|mean|fsum|stddev\w*|var_\w+)\(/gi)).toEqual([]);
    });

    test('no sum adds doubles up, for no table has any', () => {
      const isDouble = (type: Type): boolean =>
        typeof type === 'string'
          ? type === 'double'
          : 'list' in type
            ? isDouble(type.list)
            : 'map' in type
              ? type.map.some(isDouble)
              : Object.values(type.struct).some(isDouble);
      const found = tablesOf(pipeline).flatMap(({ name, columns }) =>
        columns.filter((column) => isDouble(column.type)).map((column) => `${name}.${column.name}`),
      );
      expect(unique(found)).toEqual([]);
      expect(
        texts
          .flatMap((text) => calls(text, 'sum'))
          .filter((one) => /DOUBLE|\/|\./.test(one.replace(/\bq\b|\w+\.\w+/g, ''))),
      ).toEqual([]);
    });

    test('letters are folded to lower case alone', () => {
      expect(matching(/\b(upper|ucase|lcase|initcap|casefold|unaccent)\(/gi)).toEqual([]);
      expect(matching(/\blower\(/g)).toEqual(['lower(']);
    });

    test('JSON is read into texts alone', () => {
      const shapes = all.flatMap(({ text, literals }) =>
        calls(text, 'from_json').map((one) => literals[Number(pieces(one).at(1)?.slice(1, -1))] ?? one),
      );
      expect(shapes.length).toBeGreaterThan(50);
      const leaves = onDuckDB
        ? shapes.flatMap((shape) => [...shape.matchAll(/(?<=[:[{])"([^"]+)"(?=[,}\]])/g)].map(([, leaf]) => leaf ?? ''))
        : shapes.flatMap((shape) => [...shape.matchAll(/\b[A-Z]{3,}\b(?![`\w])/g)].map(([leaf]) => leaf));
      expect(unique(leaves)).toEqual(onDuckDB ? ['VARCHAR'] : ['ARRAY', 'MAP', 'STRING', 'STRUCT']);
    });
  },
);

test('whether an object of a record is there cannot be asked, for engines differ where text stands in its place', () => {
  const record = fields({ leaf: 'text', object: { leaf: 'text' } }, 'r');
  // @ts-expect-error an object of a record is no SQL
  expect(() => spell(isNull(record.object), duckdb)).toThrow();
  expect(spell(isNull(record.object.leaf), duckdb)).toBe('"r"."object"."leaf" IS NULL');
});
