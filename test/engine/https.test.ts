import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHttps, FrugalAgent, Places } from '../../src/engine/https.ts';
import { authority } from '../warehouse/warehouse.ts';

const SIZES = [0, 1, 200, 16_000, 16_384, 16_385, 100_000, 3_000_000];
const bodies = SIZES.map((size) => randomBytes(size));
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
let server: Server;
let url: string;

beforeAll(async () => {
  const key = readFileSync(authority.replace('.crt', '.key'));
  server = createServer({ cert: readFileSync(authority), key }, (request, response) => {
    const [, how, which] = (request.url ?? '').split('/');
    const body = bodies[Number(which)] ?? Buffer.alloc(0);
    if (how === 'known') response.writeHead(200, { 'Content-Length': body.length }).end(body);
    else {
      response.writeHead(how === 'refused' ? 500 : 200);
      for (let at = 0; at < body.length; at += 5_000) response.write(body.subarray(at, at + 5_000));
      response.end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test.each(['known', 'unknown'])(
  'bodies of %s length come whole over connections that read into one place, many at once and one after the other',
  async (how) => {
    const agent = new FrugalAgent({ keepAlive: true, ca: readFileSync(authority) });
    const places = new Places();
    const lane = async (from: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const which = (from + i * 3) % SIZES.length;
        const body = await askHttps({ url: `${url}/${how}/${which}`, agent, place: (length) => places.take(length) });
        expect(hash(body)).toBe(hash(bodies[which] ?? Buffer.alloc(0)));
        places.give(body);
      }
    };
    await Promise.all([0, 1, 2, 3].map(lane));
    agent.destroy();
  },
);

test('a refusal comes with its words over such a connection, and the next answer is whole', async () => {
  const agent = new FrugalAgent({ keepAlive: true, maxSockets: 1, ca: readFileSync(authority) });
  await expect(askHttps({ url: `${url}/refused/6`, agent })).rejects.toMatchObject({ status: 500 });
  expect(hash(await askHttps({ url: `${url}/known/7`, agent }))).toBe(hash(bodies[7] ?? Buffer.alloc(0)));
  agent.destroy();
});

test('memory is lent again when it has come back, and only memory that was lent', () => {
  const places = new Places();
  const [first, second] = [places.take(100), places.take(100)];
  expect(first.buffer).not.toBe(second.buffer);
  places.give(first.subarray(0, 10));
  places.give(first);
  places.give(Buffer.from('not lent'));
  expect(places.take(90).buffer).toBe(first.buffer);
  expect(places.take(90).buffer).not.toBe(first.buffer);
  places.give(second);
  expect(places.take(5_000).length).toBeGreaterThanOrEqual(5_000);
});
