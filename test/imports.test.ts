import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Which layer a file belongs to: the first pattern that fits. */
const LAYERS: readonly (readonly [RegExp, string])[] = [
  [/^src\/(cli|progress|log)\.ts$/, 'cli'],
  [/^src\/verbs\//, 'cli'],
  [/^src\/index\.ts$/, 'index'],
  [
    /^src\/(run|planned|status|ingest|inflow|intake|place|landing|scratch|journal|judge|ledger|poison|quarantine|grants|doctor|declared|compile|job)\.ts$/,
    'run',
  ],
  [/^src\/(plan|carried|streamed)\.ts$/, 'plan'],
  [/^src\/manifest\.ts$/, 'manifest'],
  [/^src\/gold\//, 'gold'],
  [/^src\/silver\//, 'silver'],
  [/^src\/bronze\/source\.ts$/, 'source'],
  [/^src\/bronze\//, 'bronze'],
  [/^src\/(stage|view)\.ts$/, 'stage'],
  [/^src\/sql\//, 'sql'],
  [/^src\/engine\//, 'engine'],
  [/^src\/sink\//, 'sink'],
  [/^src\/spark\//, 'spark'],
  [/^src\/errors\.ts$/, 'errors'],
  [/^src\/version\.ts$/, 'version'],
  [/^package\.json$/, 'version'],
  [/^ocsf\//, 'ocsf'],
  [/^samples\//, 'samples'],
];

/** What each layer may import beside itself. Pure values are on the left of `run`; `engine` and `sink` hang on what is right of it. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  ocsf: [],
  errors: [],
  version: [],
  sql: ['ocsf'],
  source: ['sql', 'ocsf'],
  stage: ['source', 'sql'],
  bronze: ['stage', 'source', 'sql', 'errors', 'ocsf'],
  silver: ['bronze', 'stage', 'source', 'sql', 'ocsf'],
  gold: ['silver', 'stage', 'sql', 'ocsf'],
  manifest: ['gold', 'silver', 'bronze', 'errors', 'ocsf'],
  plan: ['manifest', 'gold', 'silver', 'bronze', 'stage', 'source', 'sql', 'errors', 'ocsf'],
  engine: ['sql', 'errors', 'version', 'ocsf'],
  run: ['plan', 'manifest', 'gold', 'silver', 'bronze', 'stage', 'source', 'sql', 'engine', 'errors', 'version'],
  sink: [],
  index: ['run', 'manifest', 'engine', 'errors'],
  cli: ['index', 'run', 'engine', 'sink', 'silver', 'sql', 'errors', 'version', 'ocsf', 'samples'],
  spark: ['engine', 'errors'],
  samples: [],
};

const layerOf = (file: string): string => {
  const found = LAYERS.find(([pattern]) => pattern.test(file));
  if (!found) throw new Error(`${file} belongs to no layer: add it to test/imports.test.ts`);
  return found[1];
};

const IMPORT =
  /(?:^|\n)\s*(import|export)\s+(type\s+)?[^;'"]*?from\s+['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)/g;

interface Edge {
  readonly from: string;
  readonly to: string;
  /** Left out of the code that runs. */
  readonly erased: boolean;
}

const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)));
const edges = files.flatMap((from) =>
  [...readFileSync(join(root, from), 'utf8').matchAll(IMPORT)].map(([, , type, fixed, late]): Edge => {
    const to = relative(root, resolve(root, from, '..', fixed ?? late ?? ''));
    return { from, to, erased: type !== undefined };
  }),
);

test('every import of the source is seen', () => {
  const mentioned = files.reduce(
    (sum, file) => sum + [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import\() ?'\.{1,2}\//g)].length,
    0,
  );
  expect(edges.length).toBe(mentioned);
  expect(edges.length).toBeGreaterThan(300);
});

describe('imports point one way', () => {
  test('from layer to layer, as the table allows', () => {
    const wrong = edges.filter(({ from, to }) => {
      const [importer, imported] = [layerOf(from), layerOf(to)];
      return importer !== imported && !(ALLOWED[importer] ?? []).includes(imported);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  test('and the table itself has no circle', () => {
    const done = new Set<string>();
    const visit = (layer: string, path: readonly string[]): void => {
      expect(path, [...path, layer].join(' → ')).not.toContain(layer);
      if (done.has(layer)) return;
      for (const next of ALLOWED[layer] ?? []) visit(next, [...path, layer]);
      done.add(layer);
    };
    for (const layer of Object.keys(ALLOWED)) visit(layer, []);
  });

  test('from file to file without a circle in the code that runs', () => {
    const running = edges.filter((edge) => !edge.erased);
    const next = (file: string): string[] => running.filter(({ from }) => from === file).map(({ to }) => to);
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (path.includes(file) || done.has(file)) return;
      for (const to of next(file)) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('to engines and sinks from the run and what stands right of it alone', () => {
    for (const { from, to } of edges) {
      const importer = layerOf(from);
      if (layerOf(to) === 'engine' && importer !== 'engine')
        expect(['run', 'index', 'cli', 'spark'], from).toContain(importer);
      if (layerOf(to) === 'sink' && importer !== 'sink') expect(importer, from).toBe('cli');
    }
  });
});

test('no folder is a drawer for anything', () => {
  const folders = new Set(files.flatMap((file) => file.split('/').slice(0, -1)));
  for (const name of ['utils', 'util', 'helpers', 'common', 'shared', 'base', 'manager', 'service', 'lib', 'misc'])
    expect(folders).not.toContain(name);
});

test('a rule, a summary, a view and a source is called by the name of its file', async () => {
  const { detections, summaries, views } = await import('../src/gold/index.ts');
  const { sources } = await import('../src/bronze/index.ts');
  const named = (folder: string): string[] =>
    files
      .filter((file) => file.startsWith(`src/gold/${folder}/`))
      .map((file) => `gold.${file.slice(file.lastIndexOf('/') + 1, -3)}`)
      .sort();
  expect(detections.map(({ name }) => name).sort()).toEqual(named('detections'));
  expect(summaries.map(({ name }) => name).sort()).toEqual(named('summaries'));
  expect(views.map(({ name }) => name).sort()).toEqual(named('views'));
  for (const name of Object.keys(sources)) expect(files).toContain(`src/bronze/${name}.ts`);
});
