import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const CLASSES = [
  'account_change',
  'api_activity',
  'application_lifecycle',
  'authentication',
  'base_event',
  'datastore_activity',
  'detection_finding',
  'dns_activity',
  'entity_management',
  'file_hosting',
  'group_management',
  'network_activity',
  'user_access',
];

const deprecation = z.object({ since: z.string() });

const attribute = z.object({
  type: z.string(),
  object_type: z.string().optional(),
  is_array: z.literal(true).optional(),
  requirement: z.enum(['required', 'recommended', 'optional']),
  profiles: z.array(z.string()).optional(),
  observable: z.int().optional(),
  deprecated: deprecation.optional(),
  sibling: z.string().optional(),
  enum: z.record(z.string(), z.string()).optional(),
  enum_deprecated: z.record(z.string(), deprecation).optional(),
});

const definition = {
  name: z.string(),
  caption: z.string(),
  profiles: z.array(z.string()).optional(),
  constraints: z.partialRecord(z.enum(['at_least_one', 'just_one']), z.array(z.string())).optional(),
  deprecated: deprecation.optional(),
};

const core = z.object({
  version: z.string(),
  types: z.record(
    z.string(),
    z.object({
      caption: z.string(),
      type: z.string().optional(),
      max_len: z.int().optional(),
      range: z.tuple([z.number(), z.number()]).optional(),
      values: z.array(z.union([z.boolean(), z.number(), z.string()])).optional(),
      observable: z.int().optional(),
      regex: z.string().optional(),
    }),
  ),
  profiles: z.record(z.string(), z.object({ caption: z.string(), attributes: z.array(z.string()) })),
  classes: z.record(
    z.string(),
    z.object({
      uid: z.int(),
      ...definition,
      category: z.string(),
      category_uid: z.int(),
      category_name: z.string().optional(),
      attributes: z.record(z.string(), attribute),
    }),
  ),
  objects: z.record(
    z.string(),
    z.object({ ...definition, observable: z.int().optional(), attributes: z.record(z.string(), attribute) }),
  ),
});

type Core = z.infer<typeof core>;
type Attributes = Record<string, z.infer<typeof attribute>>;

/** The text of schema.json: the facts of our classes and what they reach, sorted, one attribute per line. */
export function slim(compiled: unknown): string {
  const all = core.parse(compiled);
  const classes = pick(all.classes, CLASSES);
  const objects = pick(all.objects, reach(classes, all.objects));
  const used = [...Object.values(classes), ...Object.values(objects)].flatMap((item) =>
    Object.values(item.attributes).map((a) => a.type),
  );
  const types = pick(
    all.types,
    used.flatMap((name) => [name, all.types[name]?.type ?? name]).filter((name) => name !== 'object_t'),
  );
  const define = ({ attributes, ...rest }: { attributes: Attributes }) =>
    block({ ...eachOf(rest, line), attributes: block(eachOf(pick(attributes, Object.keys(attributes)), line)) });
  return `${block({
    version: line(all.version),
    types: block(eachOf(types, line)),
    profiles: block(eachOf(pick(all.profiles, Object.keys(all.profiles)), line)),
    classes: block(eachOf(classes, define)),
    objects: block(eachOf(objects, define)),
  })}\n`;
}

function reach(classes: Core['classes'], objects: Core['objects']): Set<string> {
  const found = new Set<string>();
  const visit = (attributes: Attributes) => {
    for (const { object_type } of Object.values(attributes)) {
      if (object_type === undefined || found.has(object_type)) continue;
      found.add(object_type);
      visit(objects[object_type]?.attributes ?? {});
    }
  };
  for (const item of Object.values(classes)) visit(item.attributes);
  return found;
}

function pick<T>(from: Record<string, T>, names: Iterable<string>): Record<string, T> {
  const sorted = [...new Set(names)].sort();
  return Object.fromEntries(
    sorted.map((name) => {
      const item = from[name];
      if (item === undefined) throw new Error(`the compiled schema has no "${name}"`);
      return [name, item];
    }),
  );
}

function eachOf<T>(items: Record<string, T>, write: (item: T) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(items).map(([name, item]) => [name, write(item)]));
}

function line(value: unknown): string {
  return JSON.stringify(value);
}

function block(entries: Record<string, string>): string {
  const lines = Object.entries(entries).map(([name, text]) => `${line(name)}: ${text}`.replaceAll('\n', '\n  '));
  return lines.length === 0 ? '{}' : `{\n  ${lines.join(',\n  ')}\n}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [path] = process.argv.slice(2);
  if (path === undefined) throw new Error('usage: npx tsx ocsf/slim.ts <path of the compiled OCSF schema>');
  writeFileSync(new URL('./schema.json', import.meta.url), slim(JSON.parse(readFileSync(path, 'utf8'))));
}
