import type { Dialect } from './dialect.ts';
import { spark } from './spark.ts';

/** Databricks SQL: Spark's spelling, and what only Databricks has. */
export const databricks: Dialect = {
  ...spark,
  name: 'databricks',
};
