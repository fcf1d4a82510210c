import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { nearNames, own } from '../ocsf/schema.ts';
import { type Expected, expectations } from './bronze/expectations.ts';
import { sources } from './bronze/index.ts';
import { UserError } from './errors.ts';
import { detections, summaries } from './gold/index.ts';
import { silverExpectations } from './silver/expectations.ts';
import { mappings } from './silver/index.ts';

const names = (values: readonly string[]) => z.enum([...values] as [string, ...string[]]);
const selection = (values: readonly string[]) => z.union([z.literal('all'), z.array(names(values))]);
const paths = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
/** Text, or the name of the environment variable that holds it. */
const setting = z.union([z.string().min(1), z.strictObject({ env: z.string().min(1) })]);
const secret = z.strictObject({ env: z.string().min(1) });
/** How long a statement may take. */
const timeout = z.string().regex(/^[1-9][0-9]*[smh]$/, 'a duration such as "90s", "30m" or "2h"');

/** What a source's records are expected to be, in bronze and as rows of silver. */
const expectable: readonly Expected[] = [...expectations, ...silverExpectations];

const bare = (name: string): string => name.replace(/^gold\./, '');

const source = z.strictObject({
  path: paths.optional(),
  /** A table that has the records already, on Databricks or Spark: `system.access.audit`. */
  table: z
    .string()
    .regex(/^[^.\s`]+(\.[^.\s`]+){1,2}$/, 'the name of a table, such as "system.access.audit"')
    .optional(),
  /** How far back a table is read again for rows that came late. */
  lookback: timeout.optional(),
  /** A flow log's fields where its files have no header, as AWS writes a format: `${srcaddr} ${dstaddr}`. */
  format: z.string().min(1).optional(),
  /** No file there yet is no mistake. */
  optional: z.boolean().optional(),
  /** Keeps each record's text in silver too, as `raw_data`, without the secrets that a response can hold. */
  raw_data: z.boolean().optional(),
  /** What happens to records that do not meet an expectation, where that is not what the expectation says itself. */
  expect: z
    .strictObject(Object.fromEntries(expectable.map((e) => [e.name, z.enum([...e.choices]).optional()])))
    .optional(),
});
/** A source is files or a table; what goes with the one is a mistake beside the other. */
const oneOf = source.superRefine(({ path, table, lookback, format, optional }, ctx) => {
  const wrong = (message: string) => ctx.addIssue({ code: 'custom', message });
  if (path === undefined && table === undefined) wrong('give "path", a glob of files, or "table"');
  if (path !== undefined && table !== undefined) wrong('give "path" or "table", not both');
  if (path !== undefined && lookback !== undefined) wrong('"lookback" goes with "table": files are known one by one');
  if (table !== undefined && (format ?? optional) !== undefined) wrong('"format" and "optional" go with "path"');
});

const engine = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('duckdb'),
    path: z.string().min(1),
    memory: z
      .string()
      .regex(/^[0-9]+(\.[0-9]+)? ?(MB|GB|MiB|GiB)$/, 'a size such as "2GB"')
      .optional(),
    threads: z.int().positive().optional(),
  }),
  z.strictObject({
    type: z.literal('spark'),
    host: setting,
    port: z.int().positive(),
    path: setting,
    ca: setting.optional(),
    timeout: timeout.optional(),
  }),
  z.strictObject({
    type: z.literal('databricks'),
    host: setting,
    path: setting,
    catalog: setting,
    /** A service principal's, from DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET unless told. */
    clientId: secret.optional(),
    clientSecret: secret.optional(),
    /** A personal access token, in place of a service principal. */
    token: secret.optional(),
    ca: setting.optional(),
    timeout: timeout.optional(),
  }),
]);

const classes = [...new Set(mappings.map((m) => m.class.class))].sort();
const rules = detections.map((d) => bare(d.name));
const rollUps = summaries.map((s) => bare(s.name));

const bronze = z.partialRecord(names(Object.keys(sources)), oneOf);
const sections = {
  engine,
  bronze,
  silver: selection(classes),
  gold: z.strictObject({ detections: selection(rules), summaries: selection(rollUps) }),
};

/** The manifest as it is written: `pipelines.json`. */
export const manifestSchema = z.strictObject({
  $schema: z.string().optional(),
  ...sections,
  targets: z.record(z.string(), z.strictObject(sections).partial()).optional(),
});

type WrittenEngine = z.infer<typeof engine>;
/** An engine's settings, of which the catalog has been read from the environment where it is said to stand there. */
export type EngineSettings = WrittenEngine & { readonly catalog?: string };
export type SourceSettings = z.infer<typeof source>;

/** A manifest for one target, with the folder that its paths are relative to. */
export interface Manifest {
  readonly file: string;
  readonly folder: string;
  readonly target: string | undefined;
  readonly engine: EngineSettings;
  readonly bronze: Readonly<Record<string, SourceSettings>>;
  readonly silver: 'all' | readonly string[];
  readonly gold: { readonly detections: 'all' | readonly string[]; readonly summaries: 'all' | readonly string[] };
}

const quoted = (values: readonly string[]): string => values.map((v) => `"${v}"`).join(', ');

function hint(wrong: string, valid: readonly string[]): string {
  const [near] = nearNames(wrong, valid);
  return `${near ? `did you mean "${near}"? ` : ''}Valid: ${quoted(valid)}`;
}

const engineTypes = engine.options.map((option) => option.shape.type.value);

/** The place in a section, be it the manifest's own or a target's. */
const placeOf = (path: readonly PropertyKey[]): readonly PropertyKey[] =>
  path[0] === 'targets' && path.length > 2 ? path.slice(2) : path;

const valueAt = (input: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    input,
  );

/** The keys that a place in the manifest may have. */
function validKeys(path: readonly PropertyKey[], input: unknown): string[] {
  if (path.length === 0) return Object.keys(manifestSchema.shape);
  if (path[0] === 'targets' && path.length === 2) return Object.keys(sections);
  const [head, ...rest] = placeOf(path);
  if (head === 'bronze' && rest[1] === 'expect') return expectable.map((e) => e.name);
  if (head === 'bronze') return rest.length === 0 ? Object.keys(sources) : Object.keys(source.shape);
  if (head === 'gold') return Object.keys(sections.gold.shape);
  if (head !== 'engine') return [];
  if (rest.length > 0) return Object.keys(secret.shape);
  const type = valueAt(input, [...path, 'type']);
  return engine.options.filter((o) => o.shape.type.value === type).flatMap((o) => Object.keys(o.shape));
}

/** The names that a list at a place in the manifest may hold. */
function validNames(path: readonly PropertyKey[]): readonly string[] {
  const place = placeOf(path).join('.');
  if (place === 'silver') return classes;
  if (place === 'gold.detections') return rules;
  return place === 'gold.summaries' ? rollUps : [];
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  string: 'text',
};

/** What zod expected in place of a value. */
function expected(issue: z.core.$ZodRawIssue | z.core.$ZodIssue, path: readonly PropertyKey[]): string {
  if (issue.code === 'invalid_value') return quoted((issue.values as unknown[]).map(String));
  if (issue.code !== 'invalid_type') return issue.message ?? '';
  const names = issue.expected === 'array' ? validNames(path) : [];
  return `${KINDS[String(issue.expected)] ?? issue.expected}${names.length > 0 ? ` of ${quoted(names)}` : ''}`;
}

function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const { path } = issue;
  const where = path.join('.') || 'the top level';
  const value = valueAt(input, path);
  const choice = (valid: readonly string[]): string =>
    `${where}: ${typeof value === 'string' ? `${JSON.stringify(value)}; ${hint(value, valid)}` : `${value === undefined ? 'missing; ' : ''}${hint('', valid)}`}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => `${where}: unknown key "${key}"; ${hint(key, validKeys(path, input))}`);
    case 'invalid_key': {
      const key = String(path.at(-1));
      const above = path.slice(0, -1);
      return [`${above.join('.')}: unknown key "${key}"; ${hint(key, validKeys(above, input))}`];
    }
    case 'invalid_union': {
      if (issue.errors.length === 0) return [choice(engineTypes)];
      const entered = issue.errors.find((branch) =>
        branch.some((i) => i.path.length > 0 || i.code === 'unrecognized_keys'),
      );
      if (entered && value !== undefined)
        return entered.flatMap((i) => explain({ ...i, path: [...path, ...i.path] } as z.core.$ZodIssue, input));
      const all = [...new Set(issue.errors.flat().map((i) => expected(i, path)))].join(' or ');
      const shown = typeof value === 'string' ? `${JSON.stringify(value)}; ` : '';
      return [`${where}: ${value === undefined ? 'missing; ' : shown}expected ${all}`];
    }
    case 'invalid_value':
      return [choice(issue.values.map(String))];
    case 'invalid_type':
      return [`${where}: ${value === undefined ? 'missing; ' : ''}expected ${expected(issue, path)}`];
    case 'too_small':
      return [`${where}: ${issue.origin === 'number' ? `must be above ${issue.minimum}` : 'must not be empty'}`];
    default:
      return [`${where}: ${issue.message}`];
  }
}

/** How much of a text is the beginning of some JSON, in characters: V8 does not always say where it stopped. */
function soundUntil(text: string): number {
  let [sound, broken] = [0, text.length];
  while (sound < broken) {
    const middle = Math.floor((sound + broken) / 2);
    if (stopsWithin(text.slice(0, middle + 1))) broken = middle;
    else sound = middle + 1;
  }
  return sound;
}

function stopsWithin(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    const message = String(error);
    const at = /at position (\d+)/.exec(message)?.[1];
    return at === undefined ? !message.includes('Unexpected end') : Number(at) < text.length;
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const line = text.slice(0, soundUntil(text)).split('\n').length;
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split(/, (?:\.{3})?"| in JSON at/);
    throw new UserError(`${file}, line ${line}: not JSON: ${message.replaceAll('\n', '\\n')}`);
  }
}

function settled(engine: WrittenEngine): EngineSettings {
  if (engine.type !== 'databricks') return engine;
  const catalog = typeof engine.catalog === 'string' ? engine.catalog : process.env[engine.catalog.env];
  if (catalog) return { ...engine, catalog };
  const name = typeof engine.catalog === 'string' ? '' : engine.catalog.env;
  throw new UserError(`engine.catalog is to come from the environment variable ${name}, which is not set.`);
}

/** Reads and checks a manifest; throws a `UserError` with every mistake, where it stands and what would be right. */
export async function readManifest(file: string, target?: string): Promise<Manifest> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      error.code === 'ENOENT'
        ? `There is no manifest ${file}; name one with --manifest FILE, or run where pipelines.json is.`
        : `Cannot read the manifest ${file}: ${error.message}`,
    );
  });
  return checkManifest(parseJson(text.replace(/^\uFEFF/, ''), file), file, target);
}

/** Checks a manifest that was read elsewhere; `file` gives the folder that its paths are relative to. */
export function checkManifest(input: unknown, file: string, target?: string): Manifest {
  const parsed = manifestSchema.safeParse(input);
  if (!parsed.success) {
    const lines = parsed.error.issues.flatMap((issue) => explain(issue, input));
    throw new UserError(
      `${file} has ${lines.length === 1 ? 'a mistake' : `${lines.length} mistakes`}:\n${lines.map((l) => `  ${l}`).join('\n')}`,
    );
  }
  const { targets = {}, $schema: _, ...base } = parsed.data;
  const chosen = target === undefined ? {} : own(targets, target);
  if (!chosen)
    throw new UserError(
      `${file} has no target "${target}"; ${Object.keys(targets).length > 0 ? hint(target ?? '', Object.keys(targets)) : 'it names no targets'}`,
    );
  return {
    file,
    folder: dirname(resolve(file)),
    target,
    engine: settled(chosen.engine ?? base.engine),
    bronze: (chosen.bronze ?? base.bronze) as Record<string, SourceSettings>,
    silver: chosen.silver ?? base.silver,
    gold: chosen.gold ?? base.gold,
  };
}
