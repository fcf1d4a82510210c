import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { folder, manifest } from './given/lakehouse.ts';
import { Warehouse } from './warehouse/warehouse.ts';

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s cancels what runs on a warehouse, closes the session and exits with 130',
  async (signal) => {
    await using stand = await Warehouse.start();
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    stand.answer({ pattern: /slow/, sql: 'SELECT 1', takes: 600_000 });
    const place = await folder();
    await manifest(place, { engine: stand.engine });
    const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), cli, 'query', 'SELECT slow'], {
      cwd: place,
      env: { ...process.env, ...stand.environment },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    while (stand.asked('GetOperationStatus') < 2) await pause(20);
    child.kill(signal);
    const [code] = await once(child, 'exit');
    expect(said).toMatch(/^Stopping what runs on databricks\.\n/);
    expect({ code, sessions: stand.sessions }).toEqual({ code: 130, sessions: 0 });
    expect(stand.statements.at(-1)).toMatchObject({ statement: 'SELECT slow', cancelled: true, closed: true });
  },
  60_000,
);
