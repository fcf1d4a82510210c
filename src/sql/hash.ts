import { createHash } from 'node:crypto';
import type { Table } from './dialect.ts';
import { duckdb } from './duckdb.ts';
import { type Sql, spell } from './sql.ts';

/** A short hash of a table's shape and the SQL that fills it; the same on every engine. */
export function hashOf(table: Table | undefined, ...pieces: Sql[]): string {
  const hash = createHash('sha256');
  if (table) hash.update(duckdb.createTable(table));
  for (const piece of pieces) hash.update('\0').update(spell(piece, duckdb));
  return hash.digest('hex').slice(0, 16);
}
