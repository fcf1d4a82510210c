import { type GenerateOptions, generate } from '../../samples/generate.ts';
import { UserError } from '../errors.ts';

/** Writes sample logs and prints what was written. */
export async function generateVerb({ json, ...options }: GenerateOptions & { readonly json?: boolean }): Promise<void> {
  const generated = await generate(options).catch((error: unknown) => {
    throw error instanceof RangeError ? new UserError(error.message) : error;
  });
  const { written: _files, ...counts } = generated;
  if (json) {
    process.stdout.write(`${JSON.stringify(counts)}\n`);
    return;
  }
  for (const [source, c] of Object.entries(counts.sources))
    process.stdout.write(
      `${source}: ${c.records} records (${c.duplicates} duplicates, ${c.late} late, ${c.malformed} malformed) in ${c.files} files, ${c.bytes} bytes\n`,
    );
  process.stdout.write(`${counts.records} records in ${counts.files} files in ${options.out}\n`);
}
