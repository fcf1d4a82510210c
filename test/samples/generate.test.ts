import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Generated,
  type GenerateOptions,
  generate,
  type SourceName,
  sourceNames,
} from '../../samples/generate.ts';
import { picks } from '../../samples/random.ts';
import { ana, backdoor, dropSite, mallory, stolenBytes, story, victim } from '../../samples/story.ts';
import { writeSamples } from '../../samples/write.ts';

type Event = { readonly [key: string]: unknown };

interface FileContents {
  /** Every record as it stands in the file, headers left out. */
  readonly records: readonly string[];
  /** Those that a reader accepts. */
  readonly events: readonly Event[];
}

const samples = join(import.meta.dirname, '../../samples');
const folders: string[] = [];

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'samples-'));
  folders.push(made);
  return made;
}

afterAll(async () => {
  for (const made of folders) await rm(made, { recursive: true, force: true });
});

async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
}

async function filesBelow(root: string): Promise<readonly string[]> {
  const found = await Promise.all(
    sourceNames.map((source) => readdir(join(root, source), { recursive: true, withFileTypes: true }).catch(() => [])),
  );
  return found
    .flat()
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

const isObject = (value: unknown): value is Event =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function contentsOf(root: string, path: string): Promise<FileContents> {
  const text = await textOf(join(root, path));
  if (path.startsWith('cloudtrail/')) {
    const records = (JSON.parse(text) as { Records: unknown[] }).Records;
    return {
      records: records.map((record) => JSON.stringify(record)),
      events: records.filter(isObject).filter((record) => typeof record.eventTime === 'string'),
    };
  }
  const lines = text.split('\n');
  expect(lines.pop()).toBe('');
  if (path.startsWith('databricks_audit/')) return { records: lines, events: lines.map(parsed).filter(isObject) };
  const names = lines.shift()?.split(' ') ?? [];
  const rows = lines.map((line) => line.split(' ')).filter((values) => values.length === names.length);
  return {
    records: lines,
    events: rows.map((values) => Object.fromEntries(names.map((name, place) => [name, values[place]]))),
  };
}

async function eventsOf(root: string, source: SourceName, generated: Generated): Promise<readonly Event[]> {
  const files = generated.written.filter((file) => file.source === source && !file.damaged);
  const distinct = new Map<string, Event>();
  for (const { path } of files)
    for (const event of (await contentsOf(root, path)).events) distinct.set(JSON.stringify(event), event);
  return [...distinct.values()];
}

const timeOf = (event: Event): number =>
  typeof event.eventTime === 'string'
    ? Date.parse(event.eventTime)
    : typeof event.timestamp === 'number'
      ? event.timestamp
      : Number(event.start) * 1_000;

const rich: Omit<GenerateOptions, 'out'> = {
  events: 6_000,
  seed: 42,
  duplicates: 0.05,
  late: 0.04,
  malformed: 0.02,
  damaged: 0.1,
};

describe('generated logs', () => {
  let out: string;
  let generated: Generated;
  beforeAll(async () => {
    out = await folder();
    generated = await generate({ ...rich, out });
  });

  test('are the same bytes for the same options', async () => {
    const again = await folder();
    expect(await generate({ ...rich, out: again })).toEqual(generated);
    const paths = await filesBelow(out);
    expect(await filesBelow(again)).toEqual(paths);
    for (const path of paths)
      expect((await readFile(join(again, path))).equals(await readFile(join(out, path)))).toBe(true);
  });

  test('are others for another seed, but the story is the same', async () => {
    const other = await folder();
    const different = await generate({ ...rich, out: other, seed: 43 });
    for (const source of sourceNames) {
      const here = new Set((await eventsOf(out, source, generated)).map((event) => JSON.stringify(event)));
      const there = (await eventsOf(other, source, different)).map((event) => JSON.stringify(event));
      expect(there.filter((event) => here.has(event))).toHaveLength(story(source).length);
    }
  });

  test('are in exactly the files that are returned, with the sizes that are returned', async () => {
    expect(generated.written.map(({ path }) => path).sort()).toEqual(await filesBelow(out));
    expect(generated.files).toBe(generated.written.length);
    for (const { path, bytes } of generated.written) expect((await readFile(join(out, path))).length).toBe(bytes);
  });

  test('have as many records in each file as are returned', async () => {
    for (const file of generated.written.filter(({ damaged }) => !damaged)) {
      const { records, events } = await contentsOf(out, file.path);
      expect({ path: file.path, records: records.length, malformed: records.length - events.length }).toEqual({
        path: file.path,
        records: file.records,
        malformed: file.malformed,
      });
    }
  });

  test.each(sourceNames)('account for every record of %s', async (source) => {
    const counts = generated.sources[source];
    const distinct = await eventsOf(out, source, generated);
    expect(distinct).toHaveLength(counts?.events ?? 0);
    expect(counts?.records).toBe((counts?.events ?? 0) + (counts?.duplicates ?? 0) + (counts?.malformed ?? 0));
    expect(counts?.story).toBe(story(source).length);
  });

  test('come in the shares that are asked for', () => {
    const parts = { databricks_audit: 800, cloudtrail: 1_200, vpc_flow: 4_000 };
    for (const source of sourceNames) {
      const counts = generated.sources[source];
      const everyday = parts[source];
      const told = story(source);
      expect((counts?.events ?? 0) - told.length + (counts?.malformed ?? 0)).toBe(everyday);
      expect(counts?.malformed).toBe(everyday * 0.02);
      expect(Math.abs((counts?.late ?? 0) - told.filter(({ late }) => late).length - everyday * 0.04)).toBeLessThan(
        everyday * 0.005,
      );
      expect(
        Math.abs((counts?.duplicates ?? 0) - told.filter(({ twice }) => twice).length - everyday * 0.05),
      ).toBeLessThan(everyday * 0.008);
    }
  });

  test('repeat a duplicate byte for byte in another, later file', async () => {
    for (const file of generated.written.filter(({ duplicates }) => duplicates > 0)) {
      const earlier = generated.written
        .slice(0, generated.written.indexOf(file))
        .filter(({ source, stream, damaged }) => source === file.source && stream === file.stream && !damaged);
      const before = new Set(
        (await Promise.all(earlier.map(({ path }) => contentsOf(out, path)))).flatMap((it) => it.records),
      );
      const { records } = await contentsOf(out, file.path);
      expect(records.filter((record) => before.has(record))).toHaveLength(file.duplicates);
    }
  });

  test('deliver what is late in a file of a later hour', async () => {
    const stamped = generated.written.filter(({ late, source }) => late > 0 && source !== 'databricks_audit');
    expect(stamped.length).toBeGreaterThan(0);
    for (const { path } of stamped) {
      const [, year, month, day, hour] = /_(\d{4})(\d\d)(\d\d)T(\d\d)\d\dZ/.exec(basename(path)) ?? [];
      const hourOfFile = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
      for (const event of (await contentsOf(out, path)).events)
        expect(timeOf(event)).toBeLessThan(hourOfFile - 3_600_000);
    }
  });

  test('leave a cut copy beside a whole file for those that are damaged', async () => {
    const damaged = generated.written.filter((file) => file.damaged);
    expect(damaged).toHaveLength(generated.damaged);
    expect(damaged.length).toBeGreaterThan(0);
    for (const { path, records } of damaged) {
      expect(records).toBe(0);
      await expect(textOf(join(out, path))).rejects.toThrow('unexpected end of file');
    }
  });

  test('have the keys that a Databricks audit record needs', async () => {
    for (const event of await eventsOf(out, 'databricks_audit', generated)) {
      expect(event).toMatchObject({
        version: '2.0',
        userIdentity: expect.anything(),
        requestParams: expect.anything(),
      });
      for (const key of ['serviceName', 'actionName', 'requestId', 'accountId', 'auditLevel'])
        expect(event[key]).toBeTypeOf('string');
      expect(event.timestamp).toBeTypeOf('number');
      expect(Object.values(event.requestParams as Event).every((value) => typeof value === 'string')).toBe(true);
      expect(event.orgId ?? event.workspaceId).toBeDefined();
    }
  });

  test('have the keys that a CloudTrail record needs', async () => {
    const events = await eventsOf(out, 'cloudtrail', generated);
    for (const event of events) {
      for (const key of [
        'eventVersion',
        'eventSource',
        'eventName',
        'awsRegion',
        'sourceIPAddress',
        'eventID',
        'eventType',
      ])
        expect(event[key]).toBeTypeOf('string');
      expect(event.userIdentity).toBeTypeOf('object');
      expect(event.requestParameters).not.toBeUndefined();
      expect(event.responseElements).not.toBeUndefined();
    }
    expect(new Set(events.map(({ eventID }) => eventID)).size).toBe(events.length);
  });

  test('have flow lines of both formats, and rows without data', async () => {
    const flows = await eventsOf(out, 'vpc_flow', generated);
    const kinds = new Set(flows.map((flow) => `${flow.version} ${flow['log-status']}`));
    expect(kinds).toContain('5 OK');
    expect(kinds).toContain('2 OK');
    expect([...kinds].some((kind) => kind.endsWith('NODATA'))).toBe(true);
    for (const flow of flows.filter((row) => row['log-status'] === 'OK')) {
      expect(Number(flow.end)).toBeGreaterThanOrEqual(Number(flow.start));
      for (const key of ['srcport', 'dstport', 'protocol', 'packets', 'bytes']) expect(flow[key]).toMatch(/^\d+$/);
    }
  });

  test('name no address outside the documentation ranges and private networks', async () => {
    for (const { path } of generated.written.filter(({ damaged }) => !damaged)) {
      const text = await textOf(join(out, path));
      const agentsAside = text.replaceAll(/"userAgent":"[^"]*"|"agentVersion":"[^"]*"/g, '');
      const addresses = agentsAside.match(/(?<![\d.\w])\d{1,3}(\.\d{1,3}){3}(?![\d.])/g) ?? [];
      const foreign = addresses.filter(
        (address) => !/^(10\.|127\.0\.0\.1$|0\.0\.0\.0$|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.)/.test(address),
      );
      expect({ path, foreign }).toEqual({ path, foreign: [] });
    }
  });
});

describe('the story', () => {
  test('has its own files where the everyday events do not reach its day', async () => {
    const out = await folder();
    const { written, sources } = await generate({ out, events: 300, seed: 1 });
    for (const source of sourceNames) expect(sources[source]?.story).toBe(story(source).length);
    const told = written.filter((file) => file.story > 0);
    expect(told.length).toBeGreaterThan(3);
    for (const file of told) expect(file.records).toBe(file.story);
  });

  test('is among the everyday events where they reach its day', async () => {
    const out = await folder();
    const start = new Date('2026-11-05T00:00:00Z');
    const { written } = await generate({ out, events: 3_000, seed: 1, start });
    for (const file of written.filter(({ story }) => story > 0)) expect(file.records).toBeGreaterThan(file.story);
  });

  test('is left out on request', async () => {
    const out = await folder();
    const { story: told, events } = await generate({ out, events: 150, seed: 1, story: false });
    expect({ told, events }).toEqual({ told: 0, events: 150 });
  });

  describe('as logged', () => {
    let audit: readonly Event[];
    let trail: readonly Event[];
    let flows: readonly Event[];
    beforeAll(async () => {
      const out = await folder();
      const generated = await generate({ out, events: 0, seed: 1 });
      audit = await eventsOf(out, 'databricks_audit', generated);
      trail = await eventsOf(out, 'cloudtrail', generated);
      flows = await eventsOf(out, 'vpc_flow', generated);
    });
    const minutesBetween = (events: readonly Event[]): number => {
      const times = events.map(timeOf);
      return (Math.max(...times) - Math.min(...times)) / 60_000;
    };
    const hoursOf = (events: readonly Event[]): number =>
      new Set(events.map((event) => Math.floor(timeOf(event) / 3_600_000))).size;

    test('has a burst of failed sign-ins on either side of the hour, in Databricks and in AWS', () => {
      const inDatabricks = audit.filter(
        (event) =>
          event.actionName === 'login' &&
          (event.requestParams as Event).user === ana.email &&
          (event.response as Event).statusCode === 401,
      );
      const inAws = trail.filter(
        (event) =>
          event.errorMessage === 'Failed authentication' && (event.userIdentity as Event).userName === ana.name,
      );
      for (const failures of [inDatabricks, inAws]) {
        expect(failures).toHaveLength(12);
        expect(minutesBetween(failures)).toBeLessThan(10);
        expect(hoursOf(failures)).toBe(2);
      }
    });

    test('has one address fail on more than ten users', () => {
      const failures = audit.filter(
        (event) =>
          event.actionName === 'login' &&
          event.sourceIPAddress === mallory &&
          (event.response as Event).statusCode === 401,
      );
      expect(new Set(failures.map((event) => (event.requestParams as Event).user)).size).toBe(13);
    });

    test('has a console sign-in without MFA, and one of root', () => {
      const successes = trail.filter((event) => (event.responseElements as Event | null)?.ConsoleLogin === 'Success');
      expect(
        successes.map((event) => [(event.userIdentity as Event).type, (event.additionalEventData as Event).MFAUsed]),
      ).toEqual([
        ['IAMUser', 'No'],
        ['Root', 'No'],
      ]);
    });

    test('has the role session of the node called first from its own way out, then from elsewhere with the same key', () => {
      const calls = trail.filter((event) =>
        String((event.userIdentity as Event).principalId).endsWith(`:${victim.instance}`),
      );
      expect(new Set(calls.map((event) => (event.userIdentity as Event).accessKeyId)).size).toBe(1);
      const addresses = calls.map((event) => event.sourceIPAddress);
      expect(addresses).toEqual([...Array(3).fill('198.51.100.10'), ...Array(18).fill(mallory)]);
    });

    test('has a launch that ties the instance to its interface and its cluster', () => {
      const launch = trail.find(({ eventName }) => eventName === 'RunInstances');
      const text = JSON.stringify(launch?.responseElements);
      for (const part of [victim.instance, victim.networkInterface, victim.address, 'ClusterId', 'Creator', ana.email])
        expect(text).toContain(part);
    });

    test('has a way back in, and the trail switched off', () => {
      const done = trail
        .filter((event) => event.sourceIPAddress === mallory && event.readOnly === false)
        .map((event) => event.eventName);
      expect(done).toEqual(
        expect.arrayContaining(['CreateUser', 'CreateAccessKey', 'AttachUserPolicy', 'StopLogging', 'DeleteTrail']),
      );
      const key = trail.find(({ eventName }) => eventName === 'CreateAccessKey');
      expect(key?.requestParameters).toEqual({ userName: backdoor.name });
      expect(key?.userIdentity).toMatchObject({ userName: ana.name });
    });

    test('has agent alerts that name the instance and nobody', () => {
      const alerts = audit.filter(({ serviceName }) => /-dataplane$/.test(String(serviceName)));
      expect(alerts).toHaveLength(6);
      for (const alert of alerts)
        expect(alert).toMatchObject({
          userIdentity: { email: null },
          requestParams: { instanceId: victim.instance },
          response: { statusCode: 200, result: expect.any(String) },
        });
    });

    test('has a port scan of more than forty ports within ten minutes', () => {
      const knocks = flows.filter(
        (flow) => flow.srcaddr === mallory && flow.dstaddr === victim.address && Number(flow.srcport) < 51_000,
      );
      expect(new Set(knocks.map((flow) => flow.dstport)).size).toBe(64);
      expect(knocks.filter((flow) => flow.action === 'REJECT')).toHaveLength(63);
      expect(minutesBetween(knocks)).toBeLessThan(10);
    });

    test('has more than 600 rejected flows on the interface within one hour', () => {
      const rejected = flows.filter(
        (flow) => flow['interface-id'] === victim.networkInterface && flow.action === 'REJECT',
      );
      expect(rejected).toHaveLength(683);
      expect(hoursOf(rejected)).toBe(1);
    });

    test('has SSH accepted, and 2.4 GB sent to the drop site in the same hour', () => {
      const ssh = flows.filter((flow) => flow.srcaddr === mallory && flow.dstport === '22' && flow.action === 'ACCEPT');
      expect(ssh.length).toBeGreaterThan(0);
      const sent = flows.filter(
        (flow) => flow.dstaddr === dropSite && timeOf(flow) >= Date.parse('2026-11-05T10:00:00Z'),
      );
      expect(sent.reduce((total, flow) => total + Number(flow.bytes), 0)).toBe(stolenBytes);
      expect(hoursOf([...sent, ...ssh])).toBe(1);
    });
  });
});

describe('generating', () => {
  test('needs no more memory for more events', async () => {
    const out = await folder();
    let highest = 0;
    const before = process.memoryUsage.rss();
    const { events } = await generate({ out, events: 300_000, seed: 3, duplicates: 0.2, late: 0.2 }, () => {
      highest = Math.max(highest, process.memoryUsage.rss());
    });
    expect(events).toBeGreaterThan(300_000);
    expect((highest - before) / 1_000_000).toBeLessThan(300);
  });

  test('begins another file where there are too many records for one', async () => {
    const out = await folder();
    const { written } = await generate({
      out,
      events: 12_000,
      seed: 3,
      hours: 1,
      story: false,
      sources: { cloudtrail: 1 },
    });
    expect(written.length).toBeGreaterThan(2);
    for (const { path, records } of written) {
      expect(records).toBeLessThanOrEqual(5_000);
      expect((await contentsOf(out, path)).events).toHaveLength(records);
    }
  });

  test('gives every event to the sources that are asked for', async () => {
    const out = await folder();
    const { sources } = await generate({
      out,
      events: 101,
      seed: 3,
      story: false,
      sources: { cloudtrail: 1, vpc_flow: 1 },
    });
    expect(Object.keys(sources).sort()).toEqual(['cloudtrail', 'vpc_flow']);
    expect((sources.cloudtrail?.events ?? 0) + (sources.vpc_flow?.events ?? 0)).toBe(101);
  });

  test('keeps counting when everything comes twice, late or broken', async () => {
    for (const options of [{ duplicates: 1 }, { late: 1 }, { malformed: 1 }]) {
      const out = await folder();
      const { events, duplicates, late, malformed, records } = await generate({
        out,
        events: 300,
        seed: 3,
        story: false,
        ...options,
      });
      expect({ events, duplicates, late, malformed, records }).toEqual({
        events: options.malformed ? 0 : 300,
        duplicates: options.duplicates ? 300 : 0,
        late: options.late ? 300 : 0,
        malformed: options.malformed ? 300 : 0,
        records: options.duplicates ? 600 : 300,
      });
    }
  });

  test.each([
    [{ duplicates: 1.5 }, 'duplicates must be from 0 to 1, not 1.5'],
    [{ late: -0.1 }, 'late must be from 0 to 1, not -0.1'],
    [{ events: 2.5 }, 'events must be a whole number of at least 0, not 2.5'],
    [{ hours: 0 }, 'hours must be a whole number of at least 1, not 0'],
    [{ start: new Date('never') }, 'start must be a valid date'],
  ])('refuses %j', async (wrong, message) => {
    await expect(generate({ out: 'nowhere', events: 1, seed: 1, ...wrong })).rejects.toThrow(message);
  });

  test('fails when it cannot write', async () => {
    await expect(generate({ out: '/dev/null/nowhere', events: 10, seed: 1 })).rejects.toThrow('ENOTDIR');
  });

  test('chooses exactly the share that is asked for, and says which', () => {
    const some = fc.record({
      size: fc.integer({ min: 0, max: 500 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(some, ({ size, share, seed }) => {
        const chosen = picks(size, share, seed, 1);
        const listed = [...chosen.within(0, size)];
        const members = Array.from({ length: size }, (_, index) => index).filter((index) => chosen.includes(index));
        expect(listed).toEqual(members);
        expect(listed).toHaveLength(Math.round(size * share));
        const middle = Math.floor(size / 3);
        expect([...chosen.within(0, middle), ...chosen.within(middle, size)]).toEqual(listed);
      }),
    );
  });
});

describe('the samples that are checked in', () => {
  test('are what write.ts writes, and the README counts them right', async () => {
    const out = await folder();
    const { sources } = await writeSamples(out);
    const paths = await filesBelow(out);
    expect(await filesBelow(samples)).toEqual(paths);
    for (const path of paths)
      expect({ path, text: await textOf(join(samples, path)) }).toEqual({ path, text: await textOf(join(out, path)) });

    const readme = await readFile(join(samples, 'README.md'), 'utf8');
    for (const source of sourceNames) {
      const { events, story, duplicates, late, malformed, records, files } = sources[source];
      expect(readme).toContain(
        `| ${source} | ${events} | ${story} | ${duplicates} | ${late} | ${malformed} | ${records} | ${files} |`,
      );
    }
  });
});
