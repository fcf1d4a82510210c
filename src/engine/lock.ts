import { readFileSync, rmSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Who writes to a lakehouse: what the file `<lakehouse>.lock` beside it says. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
}

const fileOf = (lakehouse: string): string => `${lakehouse}.lock`;

function parse(text: string): Holder | undefined {
  try {
    const { pid, host, since } = JSON.parse(text) as Partial<Holder>;
    return Number.isInteger(pid) && typeof host === 'string' && !Number.isNaN(Date.parse(String(since)))
      ? { pid: Number(pid), host, since: String(since) }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process of this machine is there. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Who wrote last and may still; undefined where the file is missing, unreadable or left over by a process that is gone. */
export async function holderOf(lakehouse: string): Promise<Holder | undefined> {
  const holder = parse(await readFile(fileOf(lakehouse), 'utf8').catch(() => ''));
  return holder && (holder.host !== hostname() || isAlive(holder.pid)) ? holder : undefined;
}

/** Says beside the lakehouse who holds it, until the function it gives is called. The database's own lock is what keeps others out. */
export async function announce(lakehouse: string): Promise<() => void> {
  const file = fileOf(lakehouse);
  const mine: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(mine)}\n`);
  await rename(draft, file);
  return () => {
    try {
      if (parse(readFileSync(file, 'utf8'))?.pid === process.pid) rmSync(file);
    } catch {
      // Whoever opens next replaces it.
    }
  };
}
