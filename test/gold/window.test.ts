import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { type Detection, defineDetection, type ExampleEvent, findings, minutes } from '../../src/gold/detection.ts';
import { detections } from '../../src/gold/index.ts';
import networkHourly from '../../src/gold/summaries/network_hourly.ts';
import { type Range, rangeRows } from '../../src/plan.ts';
import { authentication } from '../../src/silver/class.ts';
import { identifier, join, literal, type Sql, sql } from '../../src/sql/sql.ts';
import { given, jsonRows, openLakehouse, run } from './given.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openLakehouse();
});
afterAll(() => engine[Symbol.asyncDispose]());

const WINDOW = minutes(10);
const AT_LEAST = 3;
const NOON = Date.UTC(2026, 10, 5, 12);
const at = (minute: number): string => new Date(Math.round(NOON + minutes(minute))).toISOString();

const words = {
  title: 'Example',
  severity: 'Low',
  attack: [],
  threat: ['reconnaissance'],
  why: '',
  falsePositives: '',
  requires: '',
  examples: [{ when: '', given: [], alerts: 0 }],
} as const;
const bursts = (name: string, counting: { distinct?: Sql; sum?: Sql }): Detection =>
  defineDetection({
    ...{ ...words, name, on: authentication, where: sql`status_id = 2 OR status_id IS NULL`, ...counting },
    ...{ by: [sql`${identifier('user')}.name`], window: WINDOW, atLeast: AT_LEAST },
  });
const events = bursts('events', {});
const addresses = bursts('addresses', { distinct: sql`src_endpoint.ip` });
const total = bursts('total', { sum: sql`length(src_endpoint.ip) - 9` });

const attempt = (minute: number, more: ExampleEvent = {}): ExampleEvent => ({
  time: at(minute),
  'user.name': 'ana',
  'src_endpoint.ip': '192.0.2.1',
  status_id: 2,
  ...more,
});

interface Found {
  time: number;
  finding_info: {
    uid: string;
    first_seen_time: number;
    last_seen_time: number;
    related_events_count: number;
    related_events: { uid: string }[];
  };
}

const whole = async (rule: Detection): Promise<string[]> => {
  await engine.execute(`DELETE FROM ${findings.name}`);
  await run(engine, rule);
  return jsonRows(engine, sql`SELECT * FROM ${findings}`);
};
const ofRanges = async (rule: Detection, ranges: readonly Range[]): Promise<string[]> => {
  await engine.execute(`DELETE FROM ${findings.name}`);
  await run(engine, rule, rangeRows(rule, ranges, engine.dialect));
  return jsonRows(engine, sql`SELECT * FROM ${findings}`);
};
const parsed = (texts: readonly string[]): Found[] =>
  texts.map((text) => JSON.parse(text) as Found).sort((a, b) => a.time - b.time);
const onsets = async (rule: Detection, some: readonly ExampleEvent[]): Promise<Found[]> => {
  await given(engine, rule, some);
  return parsed(await whole(rule));
};

describe('A burst in a sliding window', () => {
  it('is found across the hour', async () => {
    const found = await onsets(events, [attempt(-9), attempt(-1), attempt(1)]);
    expect(found.map(({ time }) => time)).toEqual([NOON + minutes(1)]);
    expect(found[0]?.finding_info).toMatchObject({
      first_seen_time: NOON - minutes(9),
      last_seen_time: NOON + minutes(1),
      related_events_count: 3,
      related_events: [{ uid: 'event-2' }],
    });
  });

  it('includes an event that is exactly a window away', async () => {
    expect(await onsets(events, [attempt(0), attempt(5), attempt(10)])).toHaveLength(1);
    expect(await onsets(events, [attempt(0), attempt(5), attempt(10 + 1 / minutes(1))])).toHaveLength(0);
  });

  it('is one finding however long it lasts without a pause', async () => {
    const steady = Array.from({ length: 60 }, (_, i) => attempt(i));
    const found = await onsets(events, steady);
    expect(found.map(({ time }) => time)).toEqual([NOON + minutes(2)]);
    expect(found[0]?.finding_info).toMatchObject({ last_seen_time: NOON + minutes(12), related_events_count: 13 });
  });

  it('is two findings when more than a window lies between', async () => {
    const both = [0, 13].flatMap((start) => [0, 1, 2].map((minute) => attempt(start + minute)));
    const found = await onsets(events, both);
    expect(found.map(({ time }) => time)).toEqual([NOON + minutes(2), NOON + minutes(15)]);
    expect(new Set(found.map((one) => one.finding_info.uid)).size).toBe(2);
  });

  it('goes on after a pause of exactly a window, and ends a millisecond later', async () => {
    const three = [0, 0, 0].map((minute) => attempt(minute));
    expect(await onsets(events, [...three, ...[10, 10, 10].map((minute) => attempt(minute))])).toHaveLength(1);
    const later = 10 + 1 / minutes(1);
    expect(await onsets(events, [...three, ...[later, later, later].map((minute) => attempt(minute))])).toHaveLength(2);
  });

  it('is counted for each key alone', async () => {
    const both = [0, 1, 2].flatMap((m) => [attempt(m), attempt(m, { 'user.name': 'ben' })]);
    expect(await onsets(events, both)).toHaveLength(2);
    expect(await onsets(events, [attempt(0), attempt(1), attempt(2, { 'user.name': 'ben' })])).toHaveLength(0);
  });

  it('does not count events without a key, nor events that its condition leaves out', async () => {
    expect(await onsets(events, [attempt(0), attempt(1), attempt(2, { status_id: 1 })])).toHaveLength(0);
    expect(await onsets(events, [attempt(0), attempt(1), attempt(2, { status_id: null })])).toHaveLength(1);
  });

  it('has one onset when all its events fall into the same millisecond', async () => {
    const found = await onsets(events, [attempt(0), attempt(0), attempt(0), attempt(0)]);
    expect(found).toHaveLength(1);
    expect(found[0]?.finding_info).toMatchObject({ related_events_count: 4, related_events: [{ uid: 'event-0' }] });
  });

  it('chooses between two records of one id and one millisecond by their content', async () => {
    const twin = (hash: string, address: string): ExampleEvent =>
      attempt(0, { 'metadata.uid': 'twin', 'raw_data_hash.value': hash, 'src_endpoint.ip': address });
    const twins = [twin('b', '192.0.2.2'), twin('a', '192.0.2.1'), twin('c', '192.0.2.3')];
    const one = await onsets(events, twins);
    expect(one).toHaveLength(1);
    expect(await onsets(events, twins.toReversed())).toEqual(one);
  });

  it('counts different values where it says so, and all its events', async () => {
    const from = (minute: number, last: number): ExampleEvent =>
      attempt(minute, { 'src_endpoint.ip': `192.0.2.${last}` });
    expect(await onsets(addresses, [from(0, 1), from(1, 1), from(2, 2), from(3, 2)])).toHaveLength(0);
    const [found] = await onsets(addresses, [from(0, 1), from(1, 1), from(2, 2), from(3, 3)]);
    expect(found?.finding_info.related_events_count).toBe(4);
  });

  it('adds up values where it says so', async () => {
    expect(await onsets(total, [attempt(0, { 'src_endpoint.ip': '192.0.2.100' })])).toHaveLength(0);
    const found = await onsets(total, [
      attempt(0, { 'src_endpoint.ip': '192.0.2.100' }),
      attempt(1, { 'src_endpoint.ip': '192.0.2.20' }),
    ]);
    expect(found.map(({ time }) => time)).toEqual([NOON + minutes(1)]);
  });
});

/** Minutes at the edges of windows and a millisecond beside them. */
const anyMinute = fc
  .tuple(fc.constantFrom(0, 3, 5, 8, 10, 13, 15, 20, 23, 25, 30, 40), fc.constantFrom(0, 0, 0, -1, 1))
  .map(([minute, millisecond]) => minute + millisecond / minutes(1));
const anyEvent = fc
  .record({
    minute: anyMinute,
    user: fc.constantFrom('ana', 'ana', 'ben'),
    address: fc.constantFrom('192.0.2.1', '192.0.2.20', '192.0.2.100'),
  })
  .map(({ minute, user, address }) => attempt(minute, { 'user.name': user, 'src_endpoint.ip': address }));
const someEvents = fc.array(anyEvent, { minLength: 1, maxLength: 14 }).map(numbered);
const anyBursts = fc.constantFrom(events, addresses, total);

/** Gives events an identity that stays with them when they are shuffled. */
function numbered(some: readonly ExampleEvent[]): ExampleEvent[] {
  return some.map((event, i) => ({
    ...event,
    'metadata.uid': `uid-${(i * 7) % 31}`,
    'raw_data_hash.value': `hash-${(i * 5) % 29}`,
  }));
}

/** What the SQL should find, in plain words. */
function model(rule: Detection, some: readonly ExampleEvent[]): number[] {
  const found: number[] = [];
  for (const user of ['ana', 'ben']) {
    const own = some
      .filter((event) => event['user.name'] === user)
      .map((event) => ({ time: Date.parse(String(event.time)), address: String(event['src_endpoint.ip']) }))
      .sort((a, b) => a.time - b.time);
    let lastHit = Number.NEGATIVE_INFINITY;
    for (const { time } of own) {
      const past = own
        .filter((other) => other.time >= time - WINDOW && other.time <= time)
        .map(({ address }) => address);
      const sum = past.reduce((n, address) => n + address.length - 9, 0);
      const reached = rule === events ? past.length : rule === addresses ? new Set(past).size : sum;
      if (reached < AT_LEAST) continue;
      if (time - lastHit > WINDOW) found.push(time);
      lastHit = time;
    }
  }
  return found.sort((a, b) => a - b);
}

/** The ranges between cuts, dealt to two runs. */
function dealt(cuts: readonly number[], deal: readonly boolean[]): [Range[], Range[]] {
  const edges = [0, ...new Set([...cuts].sort((a, b) => a - b)), Date.UTC(2100, 0)];
  const ranges = edges.slice(1).map((until, i) => ({ from: edges[i] ?? 0, until }));
  return [ranges.filter((_, i) => deal[i % deal.length]), ranges.filter((_, i) => !deal[i % deal.length])];
}
const anyDeal = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 });

/** Whether a rule finds in the ranges of two runs together what it finds at once, given the rows at hand. */
async function isLocal(rule: Detection, cuts: readonly number[], deal: readonly boolean[]): Promise<string[]> {
  const all = await whole(rule);
  const parts: string[] = [];
  for (const ranges of dealt(cuts, deal)) if (ranges.length > 0) parts.push(...(await ofRanges(rule, ranges)));
  expect(parts.sort()).toEqual([...all].sort());
  return all;
}

const RUNS = { numRuns: 20 };

describe('Bursts', () => {
  it('are those that plain words describe', async () => {
    await fc.assert(
      fc.asyncProperty(anyBursts, someEvents, async (rule, some) => {
        expect((await onsets(rule, some)).map(({ time }) => time)).toEqual(model(rule, some));
      }),
      RUNS,
    );
  });

  it('do not depend on the order in which events arrived', async () => {
    const shuffled = someEvents.chain((some) =>
      fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })),
    );
    await fc.assert(
      fc.asyncProperty(anyBursts, shuffled, async (rule, [some, other]) => {
        await given(engine, rule, some);
        const one = await whole(rule);
        await given(engine, rule, other);
        expect(await whole(rule)).toEqual(one);
      }),
      RUNS,
    );
  });

  it('are the same when time is cut into ranges that are computed apart', async () => {
    const cuts = fc.array(
      anyMinute.map((minute) => Math.round(NOON + minutes(minute))),
      { maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(anyBursts, someEvents, cuts, anyDeal, async (rule, some, where, deal) => {
        await given(engine, rule, some);
        await isLocal(rule, where, deal);
      }),
      RUNS,
    );
  });

  it('go on over a cut whose past is just long enough', async () => {
    await given(
      engine,
      events,
      [0, 5, 10, 20, 20].map((minute) => attempt(minute)),
    );
    expect(await isLocal(events, [NOON + minutes(20)], [true, false])).toHaveLength(1);
  });

  it('change only within reach of a late event', async () => {
    await fc.assert(
      fc.asyncProperty(anyBursts, someEvents, anyEvent, async (rule, some, late) => {
        const time = Date.parse(String(late.time));
        const afar = (texts: string[]): string[] =>
          texts.filter((text) => {
            const found = JSON.parse(text) as Found;
            return found.time < time - rule.reach.before || found.time > time + rule.reach.after;
          });
        await given(engine, rule, some);
        const before = await whole(rule);
        await given(engine, rule, [...some, { ...late, 'metadata.uid': 'late' }]);
        expect(afar(await whole(rule))).toEqual(afar(before));
      }),
      RUNS,
    );
  });
});

const ruleNamed = (name: string): Detection => {
  const found = detections.find(({ rule }) => rule.name === name);
  if (!found) throw new Error(`there is no rule ${name}`);
  return found;
};
const DAY = 86_400_000;

describe('A rule reaches no further than it says', () => {
  const reaching = detections.filter(({ rule }) => rule.examples.some(({ alerts }) => alerts > 0));
  it.each(reaching.map((rule) => [rule.rule.name, rule] as const))('in the examples of %s', async (_name, rule) => {
    const examples = rule.rule.examples.filter(({ alerts }) => alerts > 0);
    for (const { given: some } of examples) {
      await given(engine, rule, some);
      const times = [
        ...new Set(
          some.map(({ time }) =>
            typeof time === 'number' ? time : Date.parse(String(time ?? '2026-11-05T09:00:00Z')),
          ),
        ),
      ].sort((a, b) => a - b);
      for (const cut of new Set([times[Math.floor(times.length / 2)] ?? 0, times.at(-1) ?? 0]))
        expect(await isLocal(rule, [cut], [true, false])).not.toEqual([]);
    }
  });

  it('when instances call from several addresses over months', async () => {
    const rule = ruleNamed('instance_credentials_outside');
    const anyTime = fc
      .tuple(fc.constantFrom(0, 1, 30, 31, 60), fc.constantFrom(0, 0, 0, 1, 1_800_000, 3_600_000))
      .map(([day, millisecond]) => NOON + day * DAY + millisecond);
    const call = fc
      .record({
        time: anyTime,
        instance: fc.constantFrom('i-00000000000000001', 'i-00000000000000001', 'i-00000000000000002'),
        address: fc.constantFrom('198.51.100.20', '203.0.113.66', '2001:db8::1'),
        class: fc.constantFrom('api_activity', 'authentication', 'account_change'),
      })
      .map(({ time, instance, address, class: of }) => ({
        time,
        'src_endpoint.instance_uid': instance,
        'src_endpoint.ip': address,
        class: of,
      }));
    const cuts = fc.array(anyTime, { maxLength: 4 });
    const calls = fc.array(call, { minLength: 2, maxLength: 14 }).map(numbered);
    let alerts = 0;
    await fc.assert(
      fc.asyncProperty(calls, cuts, anyDeal, async (some, where, deal) => {
        await given(engine, rule, some);
        alerts += (await isLocal(rule, where, deal)).length;
      }),
      RUNS,
    );
    expect(alerts).toBeGreaterThan(0);
  });

  it('when scans and their counts come over weeks', async () => {
    const rule = ruleNamed('clamav_malware_found');
    const line = fc
      .record({
        hour: fc.integer({ min: 0, max: 120 }).map((n) => n * 2),
        title: fc.constantFrom('ClamAV scan', 'ClamAV scan', 'ClamAV: Example-1', 'ClamAV: Example-2'),
      })
      .map(({ hour, title }) => ({
        time: NOON + hour * 3_600_000,
        'device.instance_uid': 'i-00000000000000001',
        'device.type_id': 6,
        'finding_info.product.name': 'ClamAV',
        'finding_info.title': title,
        is_alert: true,
      }));
    const cuts = fc.array(
      fc.integer({ min: 0, max: 240 }).map((hour) => NOON + hour * 3_600_000),
      { maxLength: 4 },
    );
    const lines = fc.array(line, { minLength: 1, maxLength: 16 }).map(numbered);
    await fc.assert(
      fc.asyncProperty(lines, cuts, anyDeal, async (some, where, deal) => {
        await given(engine, rule, some);
        expect(await isLocal(rule, where, deal)).not.toEqual([]);
      }),
      RUNS,
    );
  });

  it('when refused flows rise and fall over a month', async () => {
    const rule = ruleNamed('rejected_flows_spike');
    const hour = fc.record({
      time: fc.integer({ min: 0, max: 200 }).map((n) => NOON + n * 4 * 3_600_000),
      flows: fc.constantFrom(1, 400, 500, 550, 900, 2_000, 5_000),
      at: fc.constantFrom('eni-0a', 'eni-0b'),
      action: fc.constantFrom('Denied', 'Denied', 'Allowed'),
    });
    const cuts = fc.array(
      fc.integer({ min: 0, max: 800 }).map((n) => NOON + n * 3_600_000),
      { maxLength: 4 },
    );
    const hours = fc.array(hour, { minLength: 1, maxLength: 40 });
    let alerts = 0;
    await fc.assert(
      fc.asyncProperty(hours, cuts, anyDeal, async (some, where, deal) => {
        await given(engine, rule, []);
        const values = some.map((one) => sql`(${one.time}, ${one.at}, ${one.action}, ${one.flows})`);
        const names = networkHourly.table.columns.map(({ name }) =>
          ['time', 'interface_uid', 'action', 'flows'].includes(name) ? identifier(name) : literal(null),
        );
        await run(
          engine,
          networkHourly,
          sql`SELECT ${join(names, sql`, `)} FROM (VALUES ${join(values, sql`, `)}) AS hours(time, interface_uid, action, flows)`,
        );
        alerts += (await isLocal(rule, where, deal)).length;
      }),
      RUNS,
    );
    expect(alerts).toBeGreaterThan(0);
  });
});
