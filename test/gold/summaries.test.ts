import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { minutes } from '../../src/gold/detection.ts';
import { summaries } from '../../src/gold/index.ts';
import networkHourly from '../../src/gold/summaries/network_hourly.ts';
import signInsHourly from '../../src/gold/summaries/sign_ins_hourly.ts';
import { rangeRows } from '../../src/plan.ts';
import { identifier, type Relation, sql } from '../../src/sql/sql.ts';
import type { RangeStage } from '../../src/stage.ts';
import { classRead, fill, jsonRows, openLakehouse, run } from './given.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openLakehouse();
});
afterAll(() => engine[Symbol.asyncDispose]());

const NOON = Date.UTC(2026, 10, 5, 12);
const table = (stage: Relation) => identifier(...stage.name.split('.'));

async function rowsOf(stage: RangeStage, select = [stage.select]): Promise<Record<string, unknown>[]> {
  await engine.execute(`DELETE FROM ${stage.name}`);
  for (const part of select) await run(engine, stage, part);
  return (await jsonRows(engine, sql`SELECT * FROM ${table(stage)}`)).map((text) => JSON.parse(text));
}

describe('A summary', () => {
  it.each(summaries.map((summary) => [summary.name, summary] as const))(
    'is the same when time is cut anywhere into ranges that are computed apart: %s',
    async (_name, summary) => {
      const anyTime = fc.integer({ min: 0, max: 240 }).map((minute) => NOON + minutes(minute) - 1);
      await fc.assert(
        fc.asyncProperty(fc.array(anyTime, { minLength: 1, maxLength: 20 }), anyTime, async (times, cut) => {
          await fill(
            engine,
            classRead(summary),
            times.map((time) => ({ time })),
          );
          const whole = await rowsOf(summary);
          const parts = [
            { from: 0, until: cut },
            { from: cut, until: Date.UTC(2100, 0) },
          ];
          expect(
            await rowsOf(
              summary,
              parts.map((part) => rangeRows(summary, [part], engine.dialect)),
            ),
          ).toEqual(whole);
        }),
        { numRuns: 20 },
      );
    },
  );

  it('counts sign-ins of an hour, those without MFA and their addresses', async () => {
    const signIn = { 'src_endpoint.ip': '192.0.2.1', status_id: 1, is_mfa: true };
    await fill(engine, 'authentication', [
      { ...signIn, time: NOON },
      { ...signIn, time: NOON + minutes(60) - 1, is_mfa: false },
      { ...signIn, time: NOON + 5, 'src_endpoint.ip': '192.0.2.2', is_mfa: null },
      { ...signIn, time: NOON + minutes(60) },
    ]);
    expect(await rowsOf(signInsHourly)).toMatchObject([
      { time: NOON, sign_ins: 3, without_mfa: 1, addresses: 2, status: 'Success' },
      { time: NOON + minutes(60), sign_ins: 1, without_mfa: 0, addresses: 1 },
    ]);
  });

  it('adds up the flows of an interface by verdict and service port', async () => {
    const flow = {
      ...{
        time: NOON,
        action_id: 1,
        'connection_info.protocol_num': 6,
        'traffic.bytes': 3_000_000_000,
        'traffic.packets': 2,
      },
      ...{ 'network_observation_point.interface_uid': 'eni-0a', 'src_endpoint.port': 51_000, 'dst_endpoint.port': 443 },
    };
    await fill(engine, 'network_activity', [
      flow,
      { ...flow, 'src_endpoint.port': 443, 'dst_endpoint.port': 51_000 },
      { ...flow, action_id: 2, 'traffic.bytes': null },
      { ...flow, activity_id: 0 },
    ]);
    expect(await rowsOf(networkHourly)).toMatchObject([
      { action: 'Allowed', service_port: 443, flows: 2, bytes: 6_000_000_000, packets: 4, interface_uid: 'eni-0a' },
      { action: 'Denied', service_port: 443, flows: 1, bytes: null, packets: 2 },
    ]);
  });
});
