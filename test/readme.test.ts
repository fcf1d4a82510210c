import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sources } from '../src/bronze/index.ts';
import { detections } from '../src/gold/index.ts';
import { open } from '../src/index.ts';
import { checkManifest } from '../src/manifest.ts';
import { emptyFolder, manifest, root, sh, staged } from './staged.ts';

/** What README.md says and cannot be seen elsewhere. */
let readme: string;
/** A clone in which the commands of README.md run: everything but the lakehouse is this repository's. */
let clone: string;
/** The built package. */
let stage: string;

const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text]) => text ?? '');
const bash = async (command: string): Promise<string> =>
  (await sh(clone, 'bash', '-euo', 'pipefail', '-c', command)).stdout;
const withoutNpm = (printed: string): string => printed.replace(/^\n> [\s\S]*?\n\n/, '');

beforeAll(async () => {
  process.env.DATABRICKS_CATALOG = 'security';
  readme = await readFile(join(root, 'README.md'), 'utf8');
  stage = await staged();
  clone = await mkdtemp(join(tmpdir(), 'ocsf-medallion-clone-'));
  for (const name of ['src', 'ocsf', 'node_modules']) await symlink(join(root, name), join(clone, name));
  await mkdir(join(clone, 'samples'));
  for (const name of await readdir(join(root, 'samples')))
    await cp(join(root, 'samples', name), join(clone, 'samples', name), { recursive: true });
  for (const name of ['package.json', 'pipelines.json']) await copyFile(join(root, name), join(clone, name));
}, 120_000);

afterAll(async () => {
  for (const folder of [stage, clone]) await rm(folder, { recursive: true, force: true });
});

describe('the first screen', () => {
  it('runs the pipeline with the first command', async () => {
    expect(readme.slice(0, readme.indexOf('## ')).match(/^npm .*$/gm)).toEqual([
      'npm ci && npm run pipeline',
      'npm ci && npm test',
    ]);
    const printed = await bash('npm run pipeline');
    expect(printed).toContain('silver.api_activity');
    expect(printed).toContain('cloudtrail_stopped');
    expect(await bash('npm run pipeline')).toContain('Nothing new.');
    expect((await manifest()).scripts.test).toBe('vitest run');
  }, 120_000);

  it('shows a record, its row and its alert as they are', async () => {
    const [record, row, alert] = blocks('json')
      .slice(0, 3)
      .map((text) => JSON.parse(text));
    const trails = (await readdir(join(root, 'samples/cloudtrail'), { recursive: true })).filter((f) =>
      f.endsWith('.gz'),
    );
    const records: { eventID?: string }[] = [];
    for (const file of trails)
      records.push(
        ...JSON.parse(gunzipSync(await readFile(join(root, 'samples/cloudtrail', file))).toString()).Records,
      );
    expect(records.find((r) => r.eventID === record.eventID)).toMatchObject(record);

    const exported = async (table: string): Promise<Record<string, unknown>[]> =>
      (await bash(`npm run --silent pipeline -- export ${table}`))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const rows = await exported('silver.api_activity');
    expect(rows.find((r) => (r.metadata as { uid: string }).uid === record.eventID)).toMatchObject(row);
    const alerts = await exported('gold.alerts');
    expect(alerts.find((a) => a.rule === alert.rule && a.time === alert.time)).toMatchObject(alert);
  }, 60_000);
});

interface Help {
  readonly about: string;
  readonly example: string;
  readonly options: readonly (readonly [flags: string, about: string])[];
}

/** What `--help` says of a verb. */
async function help(verb: string): Promise<Help> {
  const { stdout } = await sh(clone, process.execPath, join(stage, 'dist/src/cli.js'), verb, '--help');
  const [, options = ''] = stdout.split(/^Options:\n/m);
  const [list = '', example = ''] = options.split(/^Example:\n/m);
  const found: [string, string][] = [];
  for (const line of list.split('\n')) {
    const [, flags, about] = /^ {2}(-\S.*?) {2,}(.*)$/.exec(line) ?? [];
    const last = found.at(-1);
    if (flags !== undefined && about !== undefined) found.push([flags, about]);
    else if (last && line.trim() !== '') last[1] += ` ${line.trim()}`;
  }
  return {
    about: stdout.split('\n\n')[1]?.replaceAll('\n', ' ') ?? '',
    example: example.trim(),
    options: found.filter(([flags]) => flags !== '-h, --help'),
  };
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const tableOf = (head: readonly string[], lines: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...lines]
    .map((line) => `| ${line.map(cell).join(' | ')} |`)
    .join('\n')
    .replaceAll('| ---', '|---')
    .replaceAll(' |---', '|---')
    .replaceAll('--- |', '---|');
const optionsTable = (options: Help['options']): string =>
  options.length === 0
    ? ''
    : `\n\n${tableOf(
        ['option', 'what it does'],
        options.map(([flags, about]) => [`\`${flags}\``, about]),
      )}`;

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
const section = (key: string, text: string): ((from: string) => string) => {
  const place = new RegExp(`(<!-- ${key} -->\n)[\\s\\S]*?(<!-- end -->)`);
  return (from) => {
    expect(from).toMatch(place);
    return from.replace(place, (_, open, close) => `${open}${text}\n${close}`);
  };
};

/** README.md with everything that can be computed put in anew. */
async function computed(): Promise<string> {
  let text = readme;
  const { stdout } = await sh(clone, process.execPath, join(stage, 'dist/src/cli.js'), '--help');
  const verbs = [...(stdout.split(/^Commands:\n/m)[1] ?? '').matchAll(/^ {2}([a-z]+) /gm)]
    .map(([, verb]) => verb ?? '')
    .filter((verb) => verb !== 'help');
  const helps = new Map<string, Help>();
  for (const verb of verbs) helps.set(verb, await help(verb));
  const { options: common = [] } = helps.get('status') ?? {};
  text = section('options: common', optionsTable(common).trim())(text);
  for (const [verb, { about, example, options }] of helps) {
    const own = options.filter(([flags, says]) => !common.some((c) => c[0] === flags && c[1] === says));
    text = section(`options: ${verb}`, `${sentence(about)}\n\n\`\`\`sh\n${example}\n\`\`\`${optionsTable(own)}`)(text);
  }
  expect([...text.matchAll(/<!-- options: (\w+) -->/g)].map(([, verb]) => verb)).toEqual(['common', ...verbs]);

  const rules = detections.map(({ rule }) => [
    `\`${rule.name}\``,
    rule.title,
    rule.severity,
    rule.attack.join(', '),
    rule.requires,
  ]);
  text = section('rules', tableOf(['rule', 'raised when', 'severity', 'ATT&CK', 'needs'], rules))(text);

  const read = Object.values(sources).map((source) => [`\`${source.name}\``, source.title]);
  text = section('sources', tableOf(['table', 'logs'], read))(text);

  for (const [whole, path = '', language = ''] of text.matchAll(/<!-- file: (\S+) -->\n```(\w+)\n[\s\S]*?^```/gm)) {
    const file = (await readFile(join(root, path), 'utf8')).trimEnd();
    text = text.replace(whole, () => `<!-- file: ${path} -->\n\`\`\`${language}\n${file}\n\`\`\``);
  }
  for (const [whole, command = ''] of text.matchAll(
    /^```sh\n(npm run pipeline -- query (?:(?!```)[\s\S])*?)^```\n\n```text\n[\s\S]*?^```/gm,
  )) {
    const printed = withoutNpm(await bash(command)).trimEnd();
    text = text.replace(whole, () => `\`\`\`sh\n${command}\`\`\`\n\n\`\`\`text\n${printed}\n\`\`\``);
  }
  const example = await library();
  return text.replace(
    /(^```js\n[\s\S]*?^```\n\n[^\n]*\n\n```text\n)[\s\S]*?^```/m,
    (_, before) => `${before}${example.trimEnd()}\n\`\`\``,
  );
}

/** What the library's example prints, run by plain node in a folder that has nothing but the package. */
async function library(): Promise<string> {
  const folder = await emptyFolder({ 'ocsf-medallion': stage });
  try {
    await writeFile(join(folder, 'example.mjs'), blocks('js')[0] ?? '');
    const { stdout, stderr } = await sh(folder, process.execPath, 'example.mjs');
    expect(stderr).toBe('');
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('README.md', () => {
  it('agrees with --help, the rules, the files and what the commands print; vitest -u writes it', async () => {
    readme = await computed();
    await expect(readme).toMatchFileSnapshot('../README.md');
  }, 180_000);

  it('gives an example of every verb that runs as written', async () => {
    const examples = blocks('sh').filter((text) => text.startsWith('npm run pipeline -- ') && !text.includes('query'));
    expect(examples.length).toBeGreaterThan(4);
    for (const example of examples) await bash(example.replace('--events 1000000', '--events 1000'));
  }, 180_000);

  it('names columns that are there', async () => {
    await using lake = await open(join(clone, 'pipelines.json'), { readOnly: true });
    const section = readme.slice(readme.indexOf('## The tables'), readme.indexOf('## The manifest'));
    let checked = 0;
    for (const [, tables = '', text = ''] of section.matchAll(/^\| (`\w+\.\w+`(?:, `\w+\.\w+`)*) \| (.*) \|$/gm))
      for (const [, table = ''] of tables.matchAll(/`([^`]+)`/g)) {
        const columns = [...text.matchAll(/`([a-z_]+(?:\.[a-z_]+)*)`/g)].map(([, path = '']) =>
          path
            .split('.')
            .map((name) => `"${name}"`)
            .join('.'),
        );
        if (columns.length === 0) continue;
        for await (const _ of lake.query(`SELECT ${columns.join(', ')} FROM ${table} LIMIT 0`))
          checked += columns.length;
      }
    expect(checked).toBeGreaterThan(100);
    const { tables } = await lake.status();
    for (const { table } of tables) expect(readme).toContain(`\`${table}\``);
  });

  it('shows manifests that are accepted', () => {
    const [whole] = /<!-- manifest -->\n```json\n[\s\S]*?^```/m.exec(readme) ?? [''];
    const shown = JSON.parse(whole.replace(/^.*\n.*\n/, '').replace(/```$/, ''));
    expect(checkManifest(shown, 'pipelines.json', 'evidence').engine).toMatchObject({ memory: '8GB' });
  });

  it('points at files that are there', async () => {
    for (const [, path = ''] of readme.matchAll(/\]\((?!http)([^)]+)\)|`((?:src|ocsf|samples)\/[\w/.]+)`/g))
      if (path) await expect(readFile(join(root, path)), path).resolves.toBeDefined();
  });
});
