import manifest from '../package.json' with { type: 'json' };

/** The version of this package. */
export const version: string = manifest.version;

/** The version of DuckDB's package that this one works with. */
export const duckdbVersion: string = manifest.dependencies['@duckdb/node-api'];
