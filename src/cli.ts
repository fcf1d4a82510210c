#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { BusyError, EngineError, UserError } from './errors.ts';
import { version } from './version.ts';

interface Common {
  readonly manifest: string;
  readonly target?: string;
  readonly json?: boolean;
  /** Milliseconds. */
  readonly wait?: number;
}

interface RunChoices {
  readonly full?: boolean;
  readonly select?: string[];
  readonly since?: Date;
  readonly until?: Date;
  readonly logFormat?: 'text' | 'json';
}

interface QuarantineChoices {
  readonly source?: string;
  readonly reason?: string;
  readonly limit: number;
  readonly show?: number;
  readonly replay?: boolean;
}

const number = (least: number, whole: boolean) => (value: string) => {
  const parsed = Number(value);
  if (!Number.isFinite(parsed) || parsed < least || (whole && !Number.isInteger(parsed)))
    throw new InvalidArgumentError(`needs ${whole ? 'a whole number' : 'a number'} of at least ${least}.`);
  return parsed;
};
const fraction = (value: string): number => {
  const parsed = number(0, false)(value);
  if (parsed > 1) throw new InvalidArgumentError('needs a fraction from 0 to 1.');
  return parsed;
};
const instant = (value: string): Date => {
  const parsed = new Date(value);
  if (Number.isNaN(parsed.getTime())) throw new InvalidArgumentError('needs a date such as 2026-11-01T00:00:00Z.');
  return parsed;
};
const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const duration = (value: string): number => {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(value) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('needs a duration such as 60s, 500ms, 5m or 1h.');
  return Number(amount) * (units[unit] ?? 1000);
};
const gather = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const program = new Command()
  .name('ocsf-medallion')
  .description(
    'Databricks audit, AWS CloudTrail and VPC flow logs to OCSF 1.8.0 tables, alerts and summaries.\nWithout a verb it runs the manifest.',
  )
  .version(version)
  .exitOverride()
  .showHelpAfterError('(--help shows the options and an example)')
  .configureHelp({ showGlobalOptions: false });

const verb = (name: string, description: string, example: string): Command =>
  program.command(name).description(description).addHelpText('after', `\nExample:\n  ${example}`);

const common = (command: Command): Command =>
  command
    .option('--manifest <file>', 'the manifest', 'pipelines.json')
    .option('--target <name>', "one of the manifest's targets")
    .option('--wait <duration>', 'wait so long while another process holds the lakehouse: 60s, 5m', duration)
    .option('--json', 'one JSON document on stdout and nothing else there');

const since = 'for events from this time on: 2026-11-01, 2026-11-01T08:00:00Z';
const until = 'for events before this time';

const npm = 'npm run pipeline --';

common(verb('run', 'take in everything new, from files to alerts', `${npm} run --select +gold.alerts`))
  .option('--full', 'rebuild silver and gold from bronze')
  .option('--since <time>', `compute silver and gold again ${since}`, instant)
  .option('--until <time>', `compute silver and gold again ${until}`, instant)
  .option(
    '--select <stage>',
    'only this stage; +stage with all before it, stage+ with all after it; repeatable',
    gather,
  )
  .addOption(
    new Option('--log-format <format>', 'what happens, on stderr: text, or one JSON object a line')
      .choices(['text', 'json'])
      .default('text'),
  )
  .action(async (options: Common & RunChoices) => {
    const { runVerb } = await import('./verbs/run.ts');
    process.exitCode = await runVerb(options);
  });

common(verb('plan', 'what a run would do and why; writes nothing', `${npm} plan --sql`))
  .option('--sql', 'the statements too')
  .option('--full', 'as run --full would')
  .option('--since <time>', 'as run --since would', instant)
  .option('--until <time>', 'as run --until would', instant)
  .option('--select <stage>', 'as run --select would; repeatable', gather)
  .action(async (options: Common & RunChoices & { sql?: boolean }) => {
    const { planVerb } = await import('./verbs/plan.ts');
    await planVerb(options);
  });

common(verb('compile', 'write the SQL of a target to files; nothing runs', `${npm} compile --target prod --out prod`))
  .requiredOption('--out <folder>', 'the folder; for Databricks it becomes a bundle with a job')
  .action(async (options: Common & { out: string }) => {
    const { compileVerb } = await import('./verbs/compile.ts');
    await compileVerb(options);
  });

common(
  verb(
    'quarantine',
    'the records that no table could take: list them, or take them in after a fix',
    `${npm} quarantine --replay`,
  ),
)
  .option('--source <name>', 'only of this source')
  .option('--reason <text>', 'only those whose reason contains this')
  .option('--limit <n>', 'no more than so many', number(1, true), 50)
  .option('--show <n>', 'the whole of the nth of the list', number(1, true))
  .option('--replay', 'read their files again, or the text that was kept; nothing is doubled')
  .action(async (options: Common & QuarantineChoices) => {
    const { quarantineVerb } = await import('./verbs/quarantine.ts');
    process.exitCode = await quarantineVerb(options);
  });

common(
  verb('status', 'last runs; per source newest event, lag, rows and quarantine; idle rules', `${npm} status --json`),
).action(async (options: Common) => {
  const { statusVerb } = await import('./verbs/status.ts');
  await statusVerb(options);
});

const format = () =>
  new Option('--format <format>', 'how rows leave').choices(['table', 'json', 'ndjson', 'csv', 'arrow', 'parquet']);

common(
  verb(
    'query',
    'run one statement and print its rows',
    `${npm} query "SELECT rule, count(*) FROM gold.alerts GROUP BY ALL"`,
  ).argument('<sql>', 'a statement of the engine'),
)
  .addOption(format())
  .option('--out <file>', 'a file instead of stdout')
  .option('--max-rows <n>', 'no more rows than this; a table shows 100 unless told', number(1, true))
  .action(async (statement: string, options: Common & { format?: string; out?: string; maxRows?: number }) => {
    const { queryVerb } = await import('./verbs/query.ts');
    await queryVerb(statement, options);
  });

common(
  verb(
    'export',
    'a whole table to a file; silver tables as OCSF JSON',
    `${npm} export silver.authentication --out auth.ndjson`,
  ).argument('<table>', 'such as silver.authentication or gold.alerts'),
)
  .addOption(format())
  .option('--out <file>', 'the file; its ending says the format; stdout when left out')
  .action(async (table: string, options: Common & { format?: string; out?: string }) => {
    const { exportVerb } = await import('./verbs/query.ts');
    await exportVerb(table, options);
  });

common(verb('validate', 'check silver rows and findings against the OCSF schema', `${npm} validate --lint`))
  .option('--lint', 'also what the official validator does not look at')
  .option('--table <name>', 'only this table; repeatable', gather)
  .action(async (options: Common & { lint?: boolean; table?: string[] }) => {
    const { validateVerb } = await import('./verbs/validate.ts');
    process.exitCode = await validateVerb(options);
  });

common(
  verb(
    'doctor',
    'look at everything that a run depends on, and say what to do about what is missing',
    `${npm} doctor --json`,
  ),
).action(async (options: Common) => {
  const { doctorVerb } = await import('./verbs/doctor.ts');
  process.exitCode = await doctorVerb(options);
});

common(verb('grants', 'the least GRANTs on Unity Catalog that the manifest needs', `${npm} grants --target prod`))
  .option('--principal <name>', 'to whom; the service principal of the environment unless told')
  .option('--check', 'compare with what the principal has, and print what is missing')
  .action(async (options: Common & { principal?: string; check?: boolean }) => {
    const { grantsVerb } = await import('./verbs/grants.ts');
    process.exitCode = await grantsVerb(options);
  });

verb(
  'generate',
  'write sample logs of any size; the same options give the same bytes',
  `${npm} generate --out logs --events 1000000 --seed 7`,
)
  .requiredOption('--out <folder>', 'the folder that gets one folder for each source')
  .option('--events <n>', 'everyday events of all sources together', number(0, true), 10_000)
  .option('--seed <n>', 'another seed, other logs', number(0, true), 1)
  .option('--start <time>', 'when the everyday events begin', instant)
  .option('--hours <n>', 'the hours they spread over', number(1, true), 24)
  .option('--duplicates <fraction>', 'events delivered twice', fraction, 0)
  .option('--late <fraction>', 'events in a file of a later hour', fraction, 0)
  .option('--malformed <fraction>', 'broken records', fraction, 0)
  .option('--damaged <fraction>', 'compressed files beside which a truncated copy lies', fraction, 0)
  .option('--no-story', 'without the attack')
  .option('--json', 'the counts as one JSON document on stdout')
  .action(async (options: Record<string, never>) => {
    const { generateVerb } = await import('./verbs/generate.ts');
    await generateVerb(options as never);
  });

// A reader that goes away (`| head`) is no error; the work goes on to its end.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    process.exitCode = 1;
    if (stream === process.stdout) process.stderr.write(`Cannot write to standard output: ${error.message}\n`);
  });

const verbs = new Set(program.commands.map((command) => command.name()));
const args = process.argv.slice(2);
const [head] = args;
if (head === undefined || (head.startsWith('-') && !['-h', '--help', '-V', '--version'].includes(head)))
  args.unshift('run');
else if (!head.startsWith('-') && head !== 'help' && !verbs.has(head)) {
  process.stderr.write(`There is no verb "${head}"; valid: ${[...verbs].join(', ')}\n`);
  process.exit(2);
}

try {
  await program.parseAsync(args, { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const { printable } = await import('./sink/printable.ts');
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${text.split('\n').map(printable).join('\n')}\n`);
    process.exitCode = error instanceof UserError ? 2 : 1;
    const expected = error instanceof UserError || error instanceof EngineError || error instanceof BusyError;
    if (!expected && error instanceof Error && process.env.DEBUG) process.stderr.write(`${error.stack}\n`);
  }
}
