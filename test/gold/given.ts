import { expect } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { attributeAt } from '../../ocsf/schema.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { type Engine, rows } from '../../src/engine/engine.ts';
import { type Detection, type ExampleEvent, findings } from '../../src/gold/detection.ts';
import { summaries } from '../../src/gold/index.ts';
import { mappings } from '../../src/silver/index.ts';
import { type ClassName, type Columns, derive, type RowType, selectRows } from '../../src/silver/row.ts';
import { classType, silverStages } from '../../src/silver/stages.ts';
import { identifier, join, list, type Relation, type Sql, spell, sql } from '../../src/sql/sql.ts';
import type { RangeStage } from '../../src/stage.ts';

const silver = silverStages(mappings);
const tables = [...silver, ...summaries].map((stage) => stage.table).concat(findings);

/** What an event of a class has where the example does not speak of it. */
const DEFAULTS: Readonly<Partial<Record<ClassName, ExampleEvent>>> = {
  account_change: { 'actor.user.name': 'ana@example.com', 'api.operation': 'Example', 'user.name': 'ana@example.com' },
  api_activity: { 'actor.user.name': 'ana@example.com', 'api.operation': 'Example', 'src_endpoint.ip': '192.0.2.10' },
  authentication: { 'actor.user.name': 'ana@example.com', 'service.name': 'Example', 'user.name': 'ana@example.com' },
  detection_finding: { 'finding_info.title': 'Example', 'metadata.product.name': 'Databricks' },
  group_management: { 'actor.user.name': 'ana@example.com', 'api.operation': 'Example', 'group.name': 'ops' },
  network_activity: {
    activity_id: 6,
    'connection_info.direction_id': 0,
    'dst_endpoint.ip': '192.0.2.20',
    'metadata.product.name': 'Amazon VPC',
    'src_endpoint.ip': '192.0.2.10',
  },
};

function complete(name: ClassName, event: ExampleEvent, position: number): ExampleEvent {
  const uid = `event-${position}`;
  const { class: _, time = '2026-11-05T09:00:00Z', ...given } = event;
  return {
    activity_id: 1,
    'cloud.provider': 'AWS',
    'metadata.product.name': 'CloudTrail',
    'metadata.product.vendor_name': 'Example',
    'metadata.uid': uid,
    'raw_data_hash.algorithm_id': 1,
    'raw_data_hash.value': `hash-${position}`,
    severity_id: 1,
    ...(name === 'detection_finding' ? { 'finding_info.uid': uid } : {}),
    ...(event['api.request.data'] === undefined ? {} : { 'api.request.uid': uid }),
    ...DEFAULTS[name],
    ...given,
    time: typeof time === 'string' ? Date.parse(time) : time,
  };
}

/** Columns that read the given paths, of which `policies[].name` is the name of a list's only element. */
function columnsOf(type: RowType, paths: readonly string[]): Columns {
  const elements = new Map<string, Record<string, Sql>>();
  const columns: Record<string, Columns[string]> = {};
  for (const path of paths) {
    const [head = '', inside] = path.split('[].');
    const { leaf } = attributeAt(type.class, head);
    const steps = path.replace('[]', '').split('.');
    const place = steps.reduce<RowType['root'] | undefined>((node, step) => node?.fields.get(step), type.root);
    if (!place) throw new Error(`no mapping fills ${path} of silver.${type.class}, so no rule will ever see it`);
    if (inside === undefined) columns[head] = identifier(path);
    else {
      const element = elements.get(head) ?? {};
      element[inside] = identifier(path);
      elements.set(head, element);
      columns[head] = { kind: 'objects', object: leaf.object_type ?? '', elements: [{ columns: element }] };
    }
  }
  return columns;
}

/** The SELECT of events as rows of a class, made as every mapping makes its rows. */
export function eventRows(name: ClassName, events: readonly ExampleEvent[], from = 0): Sql {
  const type = classType(name, mappings);
  const full = events.map((event, i) => complete(name, event, from + i));
  const paths = [...new Set(full.flatMap((event) => Object.keys(event)))];
  const values = full.map((event) => sql`(${list(paths.map((path) => event[path] ?? null))})`);
  const names = list(paths.map((path) => identifier(path)));
  const given = sql`(VALUES ${join(values, sql`, `)}) AS given(${names})`;
  return selectRows(type, { columns: derive(name, columnsOf(type, paths)) }, given);
}

/** An empty DuckDB with every silver table, summary and the findings. */
export async function openLakehouse(): Promise<Engine> {
  const engine = await openDuckDB({ path: ':memory:', threads: 1 });
  for (const schema of ['silver', 'gold']) await engine.execute(engine.dialect.createSchema(schema));
  for (const table of tables) await engine.execute(engine.dialect.createTable(table));
  return engine;
}

/** The class that a rule or summary reads in the end. */
export function classRead(relation: Relation): ClassName {
  const summary = summaries.find((one) => one.name === relation.name);
  const read = summary?.inputs[0];
  if (read) return classRead(read);
  const found = silver.find((stage) => stage.name === relation.name);
  if (!found) throw new Error(`${relation.name} is neither a class nor a summary`);
  return found.class as ClassName;
}

/** Puts events into an empty class; each row is valid OCSF. */
export async function fill(engine: Engine, name: ClassName, events: readonly ExampleEvent[], from = 0): Promise<void> {
  const stage = silver.find((one) => one.class === name);
  if (!stage) throw new Error(`no mapping feeds silver.${name}`);
  await engine.execute(`DELETE FROM ${stage.name}`);
  for (const statement of engine.dialect.append(stage.table, eventRows(name, events, from)))
    await engine.execute(statement);
  await everyRowIsOcsf(engine, stage.name);
}

/** Empties the lakehouse, puts the events into their classes and computes the summaries that the rule reads. */
export async function given(engine: Engine, rule: Detection, events: readonly ExampleEvent[]): Promise<void> {
  for (const table of tables) await engine.execute(`DELETE FROM ${table.name}`);
  const byClass = new Map<ClassName, ExampleEvent[]>();
  for (const event of events) {
    const name = (event.class as ClassName | undefined) ?? classRead(rule.on);
    byClass.set(name, [...(byClass.get(name) ?? []), event]);
  }
  let position = 0;
  for (const [name, some] of byClass) {
    await fill(engine, name, some, position);
    position += some.length;
  }
  for (const summary of summaries)
    if (rule.inputs.some((input) => input.name === summary.name)) await run(engine, summary);
}

/** Appends what the stage selects to its table. */
export async function run(engine: Engine, stage: RangeStage, select = stage.select): Promise<void> {
  for (const statement of engine.dialect.append(stage.table, select)) await engine.execute(statement);
}

/** The rows of a query as JSON texts, in the order of their texts. */
export async function jsonRows(engine: Engine, query: Sql): Promise<string[]> {
  const statement = sql`SELECT CAST(to_json(t) AS VARCHAR) AS json FROM (${query}) AS t ORDER BY json NULLS LAST`;
  return (await rows<{ json: string }>(engine, spell(statement, engine.dialect))).map(({ json }) => json);
}

/** Fails where a row of the table is not valid OCSF; gives the rows as JSON texts. */
export async function everyRowIsOcsf(engine: Engine, table: string): Promise<string[]> {
  const texts = await jsonRows(engine, sql`SELECT * FROM ${identifier(...table.split('.'))}`);
  for (const text of texts) expect(validateEvent(parseJson(text)), text).toEqual([]);
  return texts;
}
