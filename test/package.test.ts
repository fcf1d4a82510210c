import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pipelinesSchema } from '../pipelines.schema.ts';
import { emptyFolder, manifest, root, sh, staged } from './staged.ts';

const folders: string[] = [];
const kept = async (folder: Promise<string>): Promise<string> => {
  folders.push(await folder);
  return folder;
};
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

describe('package.json', () => {
  it('pins every dependency exactly', async () => {
    const { dependencies, devDependencies } = await manifest();
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
  });

  it('asks for a Node that every dependency accepts', async () => {
    const { engines, dependencies } = await manifest();
    const least = /^>=(\d+)\.(\d+)$/.exec(engines.node)?.slice(1).map(Number);
    expect(least?.[0]).toBe(20);
    for (const name of Object.keys(dependencies)) {
      const { engines: theirs } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8'));
      const wants = /(\d+)/.exec(theirs?.node ?? '')?.[1];
      if (wants !== undefined) expect(Number(wants), `${name} wants Node ${theirs.node}`).toBeLessThanOrEqual(20);
    }
  });

  it('has a lock file that names no registry', async () => {
    expect(await readFile(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved": "http');
  });

  it('runs nothing when it is installed', async () => {
    const { scripts } = await manifest();
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name);
  });
});

describe('pipelines.schema.json', () => {
  const read = async (file: string) => JSON.parse(await readFile(join(root, file), 'utf8'));

  it('is what the manifest accepts; npm run schema makes it', async () => {
    expect(await read('pipelines.schema.json')).toEqual(JSON.parse(pipelinesSchema()));
  });

  it('accepts the manifest of the samples, and no misspelt source', async () => {
    const schema = z.fromJSONSchema(await read('pipelines.schema.json'));
    const { bronze, ...rest } = await read('pipelines.json');
    expect(schema.safeParse({ ...rest, bronze }).success).toBe(true);
    expect(schema.safeParse({ ...rest, bronze: { cloudtrial: bronze.cloudtrail } }).success).toBe(false);
  });
});

describe('the package', () => {
  let tarball: string;
  let paths: string[];

  beforeAll(async () => {
    const stage = await kept(staged());
    const { stdout } = await sh(stage, 'npm', 'pack', '--json', '--ignore-scripts');
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    tarball = join(stage, packed.filename);
    paths = packed.files.map((file) => file.path);
  }, 120_000);

  it('holds the program, its types, the samples and what one needs to know', () => {
    for (const path of ['dist/src/cli.js', 'dist/src/index.js', 'dist/src/index.d.ts', 'dist/ocsf/schema.json'])
      expect(paths).toContain(path);
    for (const path of [
      'README.md',
      'LICENSE',
      'NOTICE',
      'pipelines.json',
      'pipelines.schema.json',
      'samples/README.md',
    ])
      expect(paths).toContain(path);
    for (const source of ['cloudtrail', 'databricks_audit', 'vpc_flow'])
      expect(paths.filter((path) => path.startsWith(`samples/${source}/`)).length).toBeGreaterThan(5);
  });

  it('holds no tests, no sources and nothing of this machine', () => {
    expect(paths.filter((path) => /(^|\/)(test|bench|node_modules|\.ci|\.lakehouse)\//.test(path))).toEqual([]);
    expect(paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))).toEqual([]);
    expect(paths.filter((path) => /\.(duckdb|wal|tgz)$/.test(path))).toEqual([]);
  });

  it('generates logs and runs them from an empty folder, and its types hold', async () => {
    const unpacked = await kept(mkdtemp(join(tmpdir(), 'ocsf-medallion-unpacked-')));
    await sh(unpacked, 'tar', 'xzf', tarball);
    const installed = join(unpacked, 'package');
    const user = await kept(emptyFolder());
    await symlink(join(user, 'node_modules'), join(installed, 'node_modules'));
    await symlink(installed, join(user, 'node_modules/ocsf-medallion'));
    await mkdir(join(user, 'node_modules/.bin'));
    for (const [name, file] of Object.entries((await manifest()).bin)) {
      await chmod(join(installed, file), 0o755);
      await symlink(join('../ocsf-medallion', file), join(user, 'node_modules/.bin', name));
    }
    await writeFile(join(user, 'package.json'), '{ "private": true, "type": "module" }\n');

    const npx = (...args: string[]) => sh(user, 'npx', '--offline', '--no-install', 'ocsf-medallion', ...args);
    const made = JSON.parse((await npx('generate', '--out', 'logs', '--events', '600', '--json')).stdout);
    expect(made.records).toBeGreaterThan(600);
    const files = { cloudtrail: 'json.gz', databricks_audit: 'json', vpc_flow: 'log.gz' };
    await writeFile(
      join(user, 'pipelines.json'),
      JSON.stringify({
        engine: { type: 'duckdb', path: 'lakehouse.duckdb' },
        bronze: Object.fromEntries(
          Object.entries(files).map(([name, ending]) => [name, { path: `logs/${name}/**/*.${ending}` }]),
        ),
        silver: 'all',
        gold: { detections: 'all', summaries: 'all' },
      }),
    );
    const { stdout, stderr } = await npx('run', '--json');
    expect(stderr).not.toContain('Warning');
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ ok: true, files: { new: made.files, unchanged: 0, failed: 0 } });
    expect(result.alerts.new).toBeGreaterThan(10);

    await writeFile(
      join(user, 'use.ts'),
      `import { open, type RunResult } from 'ocsf-medallion';
const lake = await open('pipelines.json', { readOnly: true });
const ran: (result: RunResult) => number = (result) => result.alerts.new;
for await (const batch of lake.query('SELECT 1 AS one')) console.log(batch.numRows, ran);
await lake.close();
`,
    );
    const options =
      '--noEmit --strict --module nodenext --target es2022 --lib es2023 --types node --ignoreConfig --skipLibCheck';
    await sh(user, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), ...options.split(' '), 'use.ts');
  }, 180_000);
});
