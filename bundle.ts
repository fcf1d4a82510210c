import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';

type ImportedFile = Metafile['outputs'][string]['imports'][number];

/** An import of a native package becomes a call of require, so that it is loaded by who needs it and not before. */
const late: Plugin = {
  name: 'late',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(@duckdb\/|lz4-napi$|@databricks\/databricks-sql-kernel-)/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'late' } : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'late' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

// Node keeps still about what packages in node_modules do that is deprecated: in one file none is there any more.
const BANNER = `import { createRequire as bundledRequire } from 'node:module';
import { fileURLToPath as bundledPath } from 'node:url';
const require = bundledRequire(import.meta.url);
const __filename = bundledPath(import.meta.url);
const __dirname = bundledPath(new URL('.', import.meta.url));
process.noDeprecation = true;`;

/** Makes one file of the command and all it imports, for Node 20 and newer, and gives what stays outside of it. */
export async function bundle(outfile: string): Promise<readonly ImportedFile[]> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('./src/cli.ts', import.meta.url))],
    outfile,
    absWorkingDir: fileURLToPath(new URL('.', import.meta.url)),
    bundle: true,
    platform: 'node',
    target: 'node20.10',
    format: 'esm',
    plugins: [late],
    banner: { js: BANNER },
    minifyWhitespace: true,
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  });
  return Object.values(metafile.outputs).flatMap(({ imports }) => imports);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await bundle(fileURLToPath(new URL('./bundle/ocsf-medallion.mjs', import.meta.url)));
