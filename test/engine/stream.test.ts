import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { decompressFrameSync } from 'lz4-napi';
import { beforeAll, describe, expect, test } from 'vitest';
import { type DatabricksEngine, databricksOptions, openDatabricks } from '../../src/engine/databricks.ts';
import { type Elsewhere, elsewhere, tableOf } from '../warehouse/elsewhere.ts';
import { authority, type WarehouseOptions } from '../warehouse/warehouse.ts';

const KEPT = 500_000;
const TIMES = 8;
const ROUNDS = 5;

const open = async (stand: Elsewhere): Promise<DatabricksEngine> => {
  Object.assign(process.env, stand.environment);
  return openDatabricks(databricksOptions(stand.engine, '.'));
};

/** Reads a result; its rows, its bytes, and the most memory that was used meanwhile. */
async function read(engine: DatabricksEngine, statement: string) {
  let [rows, bytes, memory] = [0, 0, 0];
  for await (const batch of engine.query(statement)) {
    rows += batch.numRows;
    for (const { byteLength } of batch.data.children) bytes += byteLength;
    memory = Math.max(memory, process.memoryUsage.rss());
  }
  return { rows, bytes, memory };
}

/** What is used of the processor by this process meanwhile. */
async function used(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Downloads a file as plainly as it goes. */
const download = (url: string, headers: Readonly<Record<string, string>>, agent: Agent): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    get(url, { headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    }).on('error', reject);
  });

test.for([
  ['files', false],
  ['LZ4 files', true],
] as const)(
  'a result in %s takes little more of the processor than to download its bytes plainly',
  async ([, compress]) => {
    using stand = await elsewhere({ filesFrom: 1, batchesPerPage: 4, compress }, tableOf(KEPT), 2);
    await using engine = await open(stand);
    await read(engine, 'SELECT * FROM events');
    const { urls, headers } = await stand.files();
    const agent = new Agent({ keepAlive: true, ca: readFileSync(authority) });
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const plainly = await used(async () => {
        for (const url of urls) {
          const bytes = await download(url, headers, agent);
          expect((compress ? decompressFrameSync(bytes) : bytes).length).toBeGreaterThan(0);
        }
      });
      ratios.push((await used(() => read(engine, 'SELECT * FROM events'))) / plainly);
    }
    agent.destroy();
    expect(Math.min(...ratios)).toBeLessThan(1.4);
  },
);

const WAYS: readonly (readonly [string, WarehouseOptions])[] = [
  ['inline batches', { batchesPerPage: 2 }],
  ['LZ4 batches', { batchesPerPage: 4, compress: true }],
  ['files', { filesFrom: 1 }],
  ['LZ4 files', { filesFrom: 1, compress: true }],
];

describe.for(WAYS)('%s', ([, options]) => {
  let stand: Elsewhere;
  beforeAll(async () => {
    stand = await elsewhere(options, tableOf(KEPT), TIMES);
    return () => stand[Symbol.dispose]();
  });

  test('need no more memory for a larger result', async () => {
    await using engine = await open(stand);
    const small = await read(engine, 'SELECT * FROM one');
    const large = await read(engine, 'SELECT * FROM events');
    expect([small.rows, large.rows]).toEqual([KEPT, TIMES * KEPT]);
    expect((large.memory - small.memory) / (large.bytes - small.bytes)).toBeLessThan(0.3);
  });
});
