import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Counts, type GenerateOptions, generate, type SourceName, type WrittenFile } from './generate.ts';

type Setting = Pick<GenerateOptions, 'events' | 'seed' | 'late' | 'duplicates' | 'malformed'>;

const settings: Record<SourceName, Setting> = {
  databricks_audit: { events: 440, seed: 5, late: 6 / 440, duplicates: 5 / 440, malformed: 3 / 440 },
  cloudtrail: { events: 850, seed: 5, late: 6 / 850, duplicates: 6 / 850, malformed: 3 / 850 },
  vpc_flow: { events: 2_180, seed: 5, late: 10 / 2_180, duplicates: 10 / 2_180, malformed: 3 / 2_180 },
};

/** Writes the samples that are checked in: the day of the attack, in files of six hours. */
export async function writeSamples(
  out: string,
): Promise<{ readonly sources: Record<SourceName, Counts>; readonly written: readonly WrittenFile[] }> {
  const write = (source: SourceName) =>
    generate({
      ...settings[source],
      out,
      sources: { [source]: 1 },
      start: new Date('2026-11-05T00:00:00Z'),
      hours: 24,
      hoursPerFile: 6,
    });
  const [databricks_audit, cloudtrail, vpc_flow] = await Promise.all([
    write('databricks_audit'),
    write('cloudtrail'),
    write('vpc_flow'),
  ]);
  const written = [databricks_audit, cloudtrail, vpc_flow].flatMap((generated) => generated.written);
  return { sources: { databricks_audit, cloudtrail, vpc_flow }, written };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const source of Object.keys(settings)) await rm(join(here, source), { recursive: true, force: true });
  const { sources, written } = await writeSamples(here);
  for (const [source, counts] of Object.entries(sources)) {
    const { events, story, duplicates, late, malformed, records, files, bytes } = counts;
    console.table({ [source]: { events, story, duplicates, late, malformed, records, files, bytes } });
  }
  console.table(written.map(({ source: _, ...file }) => file));
}
