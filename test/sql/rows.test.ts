import { expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { rows } from '../../src/engine/engine.ts';
import type { Column } from '../../src/sql/dialect.ts';
import { duckdb } from '../../src/sql/duckdb.ts';
import { rowsOfJson } from '../../src/sql/rows.ts';
import { spark } from '../../src/sql/spark.ts';
import { spell } from '../../src/sql/sql.ts';

const columns: readonly Column[] = [
  { name: 'name', type: 'text' },
  { name: 'size', type: 'long' },
  { name: 'ok', type: 'boolean' },
  { name: 'at', type: 'timestamp' },
];

test('rows from JSON have the columns in their types, NULL where a member is missing or null', async () => {
  await using engine = await openDuckDB({ path: ':memory:', threads: 1 });
  const given = [
    { name: `it's "\\" é😀`, size: Number.MAX_SAFE_INTEGER, ok: true, at: '2026-11-05T09:00:00.123Z' },
    { name: null, other: 1 },
  ];
  expect(await rows(engine, spell(rowsOfJson(columns, JSON.stringify(given)), duckdb))).toEqual([
    {
      name: `it's "\\" é😀`,
      size: BigInt(Number.MAX_SAFE_INTEGER),
      ok: true,
      at: Date.parse('2026-11-05T09:00:00.123Z'),
    },
    { name: null, size: null, ok: null, at: null },
  ]);
  expect(await rows(engine, spell(rowsOfJson(columns, '[]'), duckdb))).toEqual([]);
});

test('Spark reads them as a list of structs of texts', () => {
  expect(spell(rowsOfJson(columns.slice(0, 2), '[]'), spark)).toBe(
    "SELECT CAST(`record`.`name` AS STRING) AS `name`, CAST(`record`.`size` AS BIGINT) AS `size` FROM (SELECT explode(from_json('[]', 'ARRAY<STRUCT<`name`: STRING, `size`: STRING>>')) AS record) AS records",
  );
});
