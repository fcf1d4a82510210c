import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { manifestSchema } from './src/manifest.ts';

const SAYS: Readonly<Record<string, string>> = {
  engine: 'Where the tables are and where the SQL runs.',
  bronze: 'The sources and where their files are.',
  silver: 'The OCSF classes to fill: "all" or a list.',
  gold: 'What to raise and to add up from silver.',
  detections: 'The rules to run: "all" or a list.',
  summaries: 'The summaries to keep: "all" or a list.',
  targets: 'Other places to run at, chosen by --target; a section given here replaces that of the manifest.',
  memory: 'What DuckDB may keep in memory before it spills to disk, such as "2GB".',
  threads: 'How many threads DuckDB uses; all cores when left out.',
  format: "A flow log's fields where its files have no header, as AWS writes a format.",
  optional: 'No file there yet is no mistake.',
  table: 'A table of Databricks or Spark that has the records already, in place of files: system.access.audit.',
  lookback: 'How far back a table is read again for rows that came late: 24h unless told.',
};

/** The JSON schema of `pipelines.json`, for completion and checks in an editor. */
export function pipelinesSchema(): string {
  const schema = z.toJSONSchema(manifestSchema, {
    io: 'input',
    override: ({ jsonSchema, path }) => {
      const says = path.at(-2) === 'properties' ? SAYS[String(path.at(-1))] : undefined;
      if (says) jsonSchema.description = says;
      const { propertyNames, additionalProperties } = jsonSchema;
      if (typeof propertyNames !== 'object' || !propertyNames.enum || additionalProperties === undefined) return;
      // Editors complete named properties, but not the values of propertyNames.
      jsonSchema.properties = Object.fromEntries(
        propertyNames.enum.map((name) => [String(name), additionalProperties]),
      );
      jsonSchema.additionalProperties = false;
      delete jsonSchema.propertyNames;
    },
  });
  return `${JSON.stringify({ ...schema, title: 'ocsf-medallion: pipelines.json' }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('./pipelines.schema.json', import.meta.url), pipelinesSchema());
