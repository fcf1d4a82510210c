import { type Checked, type Grant, grantStatements } from '../grants.ts';
import { grants } from '../index.ts';
import { printable } from '../sink/printable.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

interface Options extends LakehouseOptions {
  readonly principal?: string;
  readonly check?: boolean;
}

const WAREHOUSE = '-- Beside these, CAN USE on the SQL warehouse: that is a permission of the warehouse, and no GRANT.';
const PLACEHOLDER = 'application id of the service principal';

const lines = (statements: readonly string[]): string => statements.map((s) => `${printable(s)};\n`).join('');
const asked = ({ privilege, on, name, why }: Grant) => ({ privilege, on, name, why });

/** Prints the grants that a manifest needs, or with `check` those that are missing; the exit code. */
export async function grantsVerb({ principal, check, ...options }: Options): Promise<number> {
  if (check) return checkVerb(options);
  const needed = await grants(options.manifest, options.target === undefined ? {} : { target: options.target });
  const to = principal ?? needed.principal ?? PLACEHOLDER;
  const statements = grantStatements(needed, to);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ principal: to, grants: needed.grants.map(asked), statements })}\n`);
  else {
    const whys = needed.grants
      .filter(({ on }) => on === 'EXTERNAL LOCATION')
      .map(
        ({ name }) =>
          `-- ${printable(name)} stands for the external location that holds it: "grants --check" finds its name.\n`,
      );
    process.stdout.write(`${lines(statements)}${whys.join('')}${WAREHOUSE}\n`);
  }
  return 0;
}

async function checkVerb(options: LakehouseOptions): Promise<number> {
  await using lake = await openFor(options, { readOnly: true });
  const checked: Checked = await lake.grants();
  const { principal, schemas, missing } = checked;
  const ok = missing.length + schemas.length === 0;
  const statements = grantStatements({ schemas, grants: missing }, principal);
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ ok, principal, grants: checked.grants.map((g) => ({ ...asked(g), held: !missing.includes(g) })), statements })}\n`,
    );
  else if (ok) process.stdout.write(`${printable(principal)} has all ${checked.grants.length} grants.\n`);
  else process.stdout.write(`-- Missing of ${printable(principal)}:\n${lines(statements)}`);
  return ok ? 0 : 1;
}
