import type { Dialect } from './dialect.ts';
import { spark } from './spark.ts';
import { identifier, spell, sql } from './sql.ts';

/** Databricks SQL: Spark's spelling, and what only Databricks has. */
export const databricks: Dialect = {
  ...spark,
  name: 'databricks',
  // A warehouse keeps what it read on disk by itself and has no CACHE TABLE of Spark's.
  keep: (name, select) => [spell(sql`CREATE OR REPLACE TEMPORARY VIEW ${identifier(name)} AS\n${select}`, databricks)],
  drop: (name) => [spell(sql`DROP VIEW IF EXISTS ${identifier(name)}`, databricks)],
};
