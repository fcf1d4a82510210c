import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { nearNames, own } from '../ocsf/schema.ts';
import { sources } from './bronze/index.ts';
import { UserError } from './engine/engine.ts';
import { detections, summaries } from './gold/index.ts';
import { mappings } from './silver/index.ts';

const names = (values: readonly string[]) => z.enum([...values] as [string, ...string[]]);
const selection = (values: readonly string[]) => z.union([z.literal('all'), z.array(names(values))]);
const paths = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
/** Text, or the name of the environment variable that holds it. */
const setting = z.union([z.string().min(1), z.strictObject({ env: z.string().min(1) })]);
const secret = z.strictObject({ env: z.string().min(1) });

const bare = (name: string): string => name.replace(/^gold\./, '');

const files = z.strictObject({
  path: paths,
  /** A flow log's fields where its files have no header, as AWS writes a format: `${srcaddr} ${dstaddr}`. */
  format: z.string().min(1).optional(),
  /** No file there yet is no mistake. */
  optional: z.boolean().optional(),
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
  }),
  z.strictObject({
    type: z.literal('databricks'),
    host: setting,
    path: setting,
    catalog: z.string().min(1),
    token: secret.optional(),
  }),
]);

const bronze = z.partialRecord(names(Object.keys(sources)), files);
const sections = {
  engine,
  bronze,
  silver: selection([...new Set(mappings.map((m) => m.class.class))]),
  gold: z.strictObject({
    detections: selection(detections.map((d) => bare(d.name))),
    summaries: selection(summaries.map((s) => bare(s.name))),
  }),
};

/** The manifest as it is written: `pipelines.json`. */
export const manifestSchema = z.strictObject({
  $schema: z.string().optional(),
  ...sections,
  targets: z.record(z.string(), z.strictObject(sections).partial()).optional(),
});

export type EngineSettings = z.infer<typeof engine>;
export type FileSettings = z.infer<typeof files>;

/** A manifest for one target, with the folder that its paths are relative to. */
export interface Manifest {
  readonly file: string;
  readonly folder: string;
  readonly target: string | undefined;
  readonly engine: EngineSettings;
  readonly bronze: Readonly<Record<string, FileSettings>>;
  readonly silver: 'all' | readonly string[];
  readonly gold: { readonly detections: 'all' | readonly string[]; readonly summaries: 'all' | readonly string[] };
}

const quoted = (values: readonly string[]): string => values.map((v) => `"${v}"`).join(', ');

function hint(wrong: string, valid: readonly string[]): string {
  const [near] = nearNames(wrong, valid);
  return `${near ? `did you mean "${near}"? ` : ''}Valid: ${quoted(valid)}`;
}

/** The keys that a place in the manifest may have. */
function validKeys(path: readonly PropertyKey[]): string[] {
  const [head, second] = path;
  if (head === undefined) return Object.keys(manifestSchema.shape);
  if (head === 'targets')
    return path.length > 1 ? (path.length === 2 ? Object.keys(sections) : validKeys(path.slice(2))) : [];
  if (head === 'bronze') return second === undefined ? Object.keys(sources) : Object.keys(files.shape);
  if (head === 'gold') return Object.keys(sections.gold.shape);
  if (head === 'engine') return [...new Set(engine.options.flatMap((option) => Object.keys(option.shape)))];
  return [];
}

function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const where = issue.path.join('.') || 'the top level';
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${where}: unknown key "${key}"; ${hint(key, validKeys(issue.path))}`);
  if (issue.code === 'invalid_key') {
    const key = String(issue.path.at(-1));
    return [
      `${issue.path.slice(0, -1).join('.')}: unknown key "${key}"; ${hint(key, validKeys(issue.path.slice(0, -1)))}`,
    ];
  }
  if (issue.code === 'invalid_union') {
    const inner =
      issue.errors.flat().find((i) => i.code === 'invalid_value' && i.values.length > 1) ?? issue.errors.flat().at(-1);
    if (inner) return explain({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, input);
  }
  const value = issue.path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    input,
  );
  if (issue.code === 'invalid_value') {
    const valid = issue.values.map(String);
    return [
      `${where}: ${value === undefined ? 'missing' : JSON.stringify(value)}; ${typeof value === 'string' ? hint(value, valid) : `Valid: ${quoted(valid)}`}`,
    ];
  }
  if (value === undefined) return [`${where}: missing`];
  return [`${where}: ${issue.message}`];
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
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split(/, "| in JSON at/);
    throw new UserError(`${file}, line ${line}: not JSON: ${message}`);
  }
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
    engine: chosen.engine ?? base.engine,
    bronze: (chosen.bronze ?? base.bronze) as Record<string, FileSettings>,
    silver: chosen.silver ?? base.silver,
    gold: chosen.gold ?? base.gold,
  };
}
