import { afterAll, describe, expect, test } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { defineSource } from '../../src/bronze/source.ts';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { rows } from '../../src/engine/engine.ts';
import { apiActivity, authentication, detectionFinding, networkActivity } from '../../src/silver/class.ts';
import {
  activityOf,
  classOfRow,
  defineMapping,
  type Mapping,
  parse,
  ROUTED,
  selectMapping,
} from '../../src/silver/mapping.ts';
import { objects, objectsFrom, rowType } from '../../src/silver/row.ts';
import { classType, silverStages } from '../../src/silver/stages.ts';
import {
  boolean,
  coalesce,
  email,
  integer,
  ipAddress,
  isNotNull,
  isoTime,
  jsonOrText,
  lookup,
  when,
} from '../../src/sql/functions.ts';
import { identifier, join, literal, named, type Sql, spell, sql } from '../../src/sql/sql.ts';
import { linesOf } from '../given/rows.ts';

const source = defineSource({
  name: 'example',
  title: 'Example',
  content: 'json',
  record: {
    id: 'text',
    at: 'text',
    what: 'text',
    who: { name: 'text', mail: 'text', kind: 'text', token: 'text' },
    address: 'text',
    port: 'text',
    code: 'text',
    request: 'text',
    requestId: 'text',
    'x-extra': 'text',
    list: 'texts',
    things: 'texts',
    mfa: 'text',
  },
  lift: (record) => ({
    uid: record.id,
    time: isoTime(record.at),
    service: literal('example') as Sql<string>,
    action: record.what,
  }),
  ignore: () => literal(false),
});
const { record } = source;

/** The least that OCSF wants of an API activity. */
const least = {
  activity_id: literal(1),
  'actor.user.name': record.who.name,
  'api.operation': record.what,
  'metadata.product.name': literal('Example'),
  severity_id: literal(1),
  'src_endpoint.ip': ipAddress(record.address),
} as const;

const engine = await openDuckDB({ path: ':memory:', threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

type Row = Readonly<Record<string, unknown>>;
const EVENT = { id: 'e-1', at: '2026-11-05T09:00:00Z', what: 'Do', who: { name: 'ana' }, address: '192.0.2.10' };

/** The silver rows that a mapping makes of records; each must be valid OCSF without any fault. */
async function rowsOf(
  mapping: Mapping,
  records: readonly Row[],
  mappings: readonly Mapping[] = [mapping],
): Promise<Row[]> {
  const values = records.map(
    (one, i) =>
      sql`(${mapping.source.source}, ${`uid-${i}`}, ${1793869200000 + i}, 'example', ${String(one.what)}, ${`hash-${i}`}, ${JSON.stringify(one)}, ${mapping.class.class})`,
  );
  await engine.execute(
    spell(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(ROUTED)} AS SELECT * FROM (VALUES ${join(values, sql`, `)}) AS t(source, uid, time, service, action, hash, raw, class)`,
      engine.dialect,
    ),
  );
  const select = selectMapping(mapping, classType(mapping.class.class, mappings));
  const texts = await linesOf(
    engine.query(spell(sql`SELECT * FROM (${select}) ORDER BY time NULLS LAST`, engine.dialect)),
  );
  for (const text of texts) expect(validateEvent(parseJson(text), { lint: true }), text).toEqual([]);
  return texts.map((text) => JSON.parse(text));
}

/** A mapping of every example event to API activity. */
const api = (columns: Record<string, Sql>): Mapping =>
  defineMapping({
    source,
    class: apiActivity,
    events: 'rest',
    columns: () => ({ ...least, ...columns }) as typeof least,
  });
/** The row of one event. */
async function row(mapping: Mapping, event: Row = EVENT): Promise<Row> {
  const [first] = await rowsOf(mapping, [event]);
  if (!first) throw new Error('no row');
  return first;
}

describe('a mistake in a mapping does not compile, and', () => {
  const define = (columns: () => object): (() => unknown) => {
    return () => defineMapping({ source, class: apiActivity, events: 'rest', columns: columns as never });
  };

  test('a misspelt path throws with the near ones', () => {
    expect(() =>
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error OCSF has no "usr" in actor
        columns: (r) => ({ ...least, 'actor.usr.name': r.who.name }),
      }),
    ).toThrow('OCSF has no "usr" in "actor.usr.name": not in api_activity.actor; near: "user"');
    expect(() =>
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error OCSF has no "severty_id"
        columns: () => ({ ...least, severty_id: literal(1) }),
      }),
    ).toThrow('OCSF has no "severty_id" in "severty_id": not in api_activity; near: "severity_id"');
    expect(define(() => ({ ...least, 'src_endpoint.ip.v4': record.address }))).toThrow(
      'OCSF has no "v4" in "src_endpoint.ip.v4": api_activity.src_endpoint.ip has type ip_t',
    );
    expect(define(() => ({ ...least, constructor: record.address }))).toThrow('OCSF has no "constructor"');
  });

  test('a misspelt field of the record is not there', () => {
    defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      // @ts-expect-error the record has no "nme" in who
      columns: (r) => ({ ...least, 'actor.user.uid': coalesce(r.who.nme, r.who.name) }),
    });
    defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      parse: (r) => ({ params: parse(r.request, { userName: 'text' }) }),
      // @ts-expect-error the request was read without "usrName"
      columns: (_, { params }) => ({ ...least, 'actor.user.uid': coalesce(params.usrName, params.userName) }),
    });
  });

  test('a value of the wrong type is refused by the compiler', () => {
    const wrong = (): void => {
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error text is no address
        columns: (r) => ({ ...least, 'dst_endpoint.ip': r.address }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error activity_id has no 7 in API activity
        columns: () => ({ ...least, activity_id: literal(7) }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error one of the branches is outside the enum
        columns: (r) => ({ ...least, status_id: when([[isNotNull(r.code), literal(2)]], literal(5)) }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error one of the words stands for a number outside the enum
        columns: (r) => ({ ...least, status_id: lookup(r.code, { ok: 1, bad: 3 }) }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error text is no timestamp
        columns: (r) => ({ ...least, start_time: r.at }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error text is no integer
        columns: (r) => ({ ...least, 'src_endpoint.port': r.port }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error text is no e-mail address
        columns: (r) => ({ ...least, 'actor.user.email_addr': r.who.mail }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error an object is mapped by its leaves
        columns: (r) => ({ ...least, 'actor.user': r.who.name }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error a list of objects is made with objects()
        columns: (r) => ({ ...least, resources: r.things }),
      });
      defineMapping({
        source,
        class: apiActivity,
        events: 'rest',
        // @ts-expect-error a number is no text
        columns: () => ({ ...least, 'api.version': literal(1) }),
      });
    };
    expect(wrong).toBeTypeOf('function');
  });

  test('objects() and objectsFrom() check the paths and types of their elements', () => {
    const wrong = (): void => {
      // @ts-expect-error a policy has no "nme"
      objects('policy', { nme: record.what });
      // @ts-expect-error text is no boolean
      objects('policy', { is_applied: record.what });
      // @ts-expect-error the second element is wrong
      objects('policy', { name: record.what }, { uid: literal(1) });
      // @ts-expect-error OCSF has no object "polcy"
      objects('polcy', { name: record.what });
      // @ts-expect-error resource_details has no "arn"
      objectsFrom('resource_details', record.things, { ARN: 'text' }, (e) => ({ arn: e.ARN }));
      // @ts-expect-error the element was read without "arn"
      objectsFrom('resource_details', record.things, { ARN: 'text' }, (e) => ({ uid: coalesce(e.arn, e.ARN) }));
    };
    expect(wrong).toBeTypeOf('function');
    const policies = objects('policy', { nme: record.what } as never);
    expect(define(() => ({ ...least, resources: policies }))).toThrow('OCSF has no "nme" in policy');
  });

  test('what is right compiles', () => {
    const right = defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      columns: (r) => ({
        ...least,
        'actor.user.email_addr': email(r.who.mail),
        'src_endpoint.port': integer(r.port),
        'api.request.data': jsonOrText(r.request),
        'api.request.uid': r.requestId,
        resources: objects('resource_details', { name: r.what, role_id: literal(1) }),
        start_time: isoTime(r.at),
        status_id: lookup(r.code, { ok: 1, bad: 2 }, literal(99)),
      }),
    });
    expect(Object.keys(right.columns)).toContain('src_endpoint.port');
  });
});

describe('a mapping that lacks what OCSF requires throws and names', () => {
  const without = (key: keyof typeof least, more: Record<string, Sql> = {}) => {
    const { [key]: _, ...columns } = least;
    return () =>
      defineMapping({ source, class: apiActivity, events: 'rest', columns: () => ({ ...columns, ...more }) as never });
  };

  test('an attribute of the class', () => {
    expect(without('severity_id')).toThrow('example → api_activity lacks what OCSF requires: severity_id');
    expect(without('api.operation')).toThrow('example → api_activity lacks what OCSF requires: api');
    expect(without('src_endpoint.ip')).toThrow('example → api_activity lacks what OCSF requires: src_endpoint');
    expect(without('metadata.product.name')).toThrow(
      'example → api_activity lacks what OCSF requires: metadata.product',
    );
  });

  test('an attribute of an object inside, and one of which one must be there', () => {
    expect(without('api.operation', { 'api.version': record.what })).toThrow(
      'example → api_activity lacks what OCSF requires: api.operation',
    );
    expect(
      without('api.operation', { 'api.operation': record.what, 'api.request.data': jsonOrText(record.what) }),
    ).toThrow('api.request.uid');
    expect(without('src_endpoint.ip', { 'src_endpoint.port': integer(record.port) })).toThrow(
      /src_endpoint\.\(one of ip, uid, name/,
    );
  });

  test('the activity', () => {
    expect(without('activity_id')).toThrow('api_activity: a mapping gives activity_id');
  });

  test('what a profile requires once one of its attributes is used', () => {
    expect(without('severity_id', { severity_id: literal(1), 'cloud.region': record.what })).toThrow('cloud.provider');
  });

  test('what an element of a list requires', () => {
    const columns = { ...least, enrichments: objects('enrichment', { name: record.what }) };
    expect(() => defineMapping({ source, class: apiActivity, events: 'rest', columns: () => columns })).toThrow(
      /enrichments\[\]\.(data|value)/,
    );
  });
});

describe('derived, and in no mapping by hand:', () => {
  test('ids and names of the class, its category and the type of event', async () => {
    expect(await row(api({}))).toEqual({
      activity_id: 1,
      activity_name: 'Create',
      actor: { user: { name: 'ana' } },
      api: { operation: 'Do' },
      category_name: 'Application Activity',
      category_uid: 6,
      class_name: 'API Activity',
      class_uid: 6003,
      metadata: { product: { name: 'Example' }, uid: 'uid-0', version: '1.8.0' },
      observables: [
        { name: 'actor.user.name', type: 'User Name', type_id: 4, value: 'ana' },
        { name: 'raw_data_hash.value', type: 'Hash', type_id: 8, value: 'hash-0' },
        { name: 'src_endpoint.ip', type: 'IP Address', type_id: 2, value: '192.0.2.10' },
      ],
      raw_data_hash: { algorithm: 'MD5', algorithm_id: 1, value: 'hash-0' },
      severity: 'Informational',
      severity_id: 1,
      src_endpoint: { ip: '192.0.2.10' },
      time: 1793869200000,
      type_name: 'API Activity: Create',
      type_uid: 600301,
    });
  });

  test('the type follows the activity of each event', async () => {
    const activity_id = lookup(record.what, { Make: 1, Look: 2 }, literal(99));
    const found = await rowsOf(api({ activity_id, activity_name: record.what }), [
      { ...EVENT, what: 'Make' },
      { ...EVENT, what: 'Look' },
      { ...EVENT, what: 'Wander' },
    ]);
    expect(
      found.map(({ activity_id, activity_name, type_uid, type_name }) => [
        activity_id,
        activity_name,
        type_uid,
        type_name,
      ]),
    ).toEqual([
      [1, 'Create', 600301, 'API Activity: Create'],
      [2, 'Read', 600302, 'API Activity: Read'],
      [99, 'Wander', 600399, 'API Activity: Other'],
    ]);
  });

  test("captions of every enum, at the top, inside objects and in lists; 99 has the source's own word", async () => {
    const columns = {
      'actor.user.type': record.who.kind,
      'actor.user.type_id': lookup(record.who.kind, { person: 1, root: 2 }, literal(99)),
      status_id: lookup(record.code, { ok: 1, bad: 2 }, literal(0)),
    };
    const mapping = defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      columns: (r) => ({
        ...least,
        ...columns,
        resources: objects('resource_details', { name: r.what, role_id: literal(1) }),
      }),
    });
    const found = await rowsOf(mapping, [
      { ...EVENT, who: { name: 'ana', kind: 'person' }, code: 'ok' },
      { ...EVENT, who: { name: 'ana', kind: 'Robot' }, code: 'bad' },
      { ...EVENT, who: { name: 'ana', kind: 'root' }, code: 'odd' },
    ]);
    const user = (one: Row): Row => (one.actor as { user: Row }).user;
    expect(found.map((one) => [user(one).type_id, user(one).type, one.status_id, one.status])).toEqual([
      [1, 'User', 1, 'Success'],
      [99, 'Robot', 2, 'Failure'],
      [2, 'Admin', 0, 'Unknown'],
    ]);
    expect(found[0]?.resources).toEqual([{ name: 'Do', role: 'Target', role_id: 1 }]);
  });

  test('metadata.profiles, from the attributes that are used', async () => {
    const profiles = async (columns: Record<string, Sql>): Promise<unknown> =>
      ((await row(api(columns))).metadata as Row).profiles;
    expect(await profiles({})).toBeUndefined();
    expect(await profiles({ 'cloud.provider': literal('AWS') })).toEqual(['cloud']);
    expect(
      await profiles({ 'cloud.provider': literal('AWS'), action_id: literal(1), disposition_id: literal(1) }),
    ).toEqual(['cloud', 'security_control']);
  });

  test('observables, from leaves and from the elements of lists, where there is a value', async () => {
    const mapping = defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      columns: (r) => ({
        ...least,
        'actor.user.email_addr': email(r.who.mail),
        'src_endpoint.instance_uid': r.code,
        'src_endpoint.port': integer(r.port),
        'dst_endpoint.ip': ipAddress(r.requestId),
        resources: objectsFrom('resource_details', r.things, { id: 'text', name: 'text' }, (e) => ({
          name: e.name,
          uid: e.id,
        })),
      }),
    });
    const event = {
      ...EVENT,
      who: { name: 'ana', mail: 'ana@example.com' },
      port: 443,
      code: 'i-0a1b2c3d4e5f60718',
      things: [{ id: 'arn:1', name: 'one' }, { id: 'arn:2' }, { name: 'three' }, 'text', { other: 1 }],
    };
    const found = await row(mapping, event);
    expect(found.resources).toEqual([{ name: 'one', uid: 'arn:1' }, { uid: 'arn:2' }, { name: 'three' }]);
    const lines = (found.observables as { name: string; type_id: number; value: string }[]).map(
      ({ name, type_id, value }) => `${name} ${type_id} ${value}`,
    );
    expect(lines).toEqual([
      'actor.user.email_addr 5 ana@example.com',
      'actor.user.name 4 ana',
      'raw_data_hash.value 8 hash-0',
      'src_endpoint.instance_uid 10 i-0a1b2c3d4e5f60718',
      'src_endpoint.ip 2 192.0.2.10',
      'src_endpoint.port 11 443',
      'resources[].name 38 one',
      'resources[].name 38 three',
      'resources[].uid 10 arn:1',
      'resources[].uid 10 arn:2',
    ]);
  });
});

describe('unmapped', () => {
  test('holds every declared field that has a value and that no column took, as text under its dotted name', async () => {
    const found = await row(api({}), {
      ...EVENT,
      who: { name: 'ana', mail: 'ana@example.com', kind: '' },
      port: 443,
      request: { b: [1, 2], c: null },
      'x-extra': true,
      list: ['a', 1, { b: 2 }],
      mfa: null,
      undeclared: 'gone',
    });
    expect(found.unmapped).toEqual({
      'who.mail': 'ana@example.com',
      port: '443',
      request: '{"b":[1,2],"c":null}',
      'x-extra': 'true',
      list: '["a","1","{\\"b\\":2}"]',
    });
  });

  test('is absent where nothing is left', async () => {
    expect(await row(api({}))).not.toHaveProperty('unmapped');
  });

  test('leaves out the id and the time, which metadata.uid and time keep', async () => {
    const found = await row(api({}), { ...EVENT, port: '1' });
    expect(found.unmapped).toEqual({ port: '1' });
  });

  test('holds what a conversion could not read, and only that', async () => {
    const mapping = api({
      'actor.user.email_addr': email(record.who.mail),
      'actor.session.is_mfa': boolean(record.mfa),
      'src_endpoint.port': integer(record.port),
      start_time: isoTime(record.code),
      'actor.user.uid': record.who.name,
    });
    expect(
      (
        await row(mapping, {
          ...EVENT,
          who: { name: 'ana', mail: 'nobody' },
          mfa: 'maybe',
          port: '99999999999',
          code: 'soon',
        })
      ).unmapped,
    ).toEqual({ 'who.mail': 'nobody', mfa: 'maybe', port: '99999999999', code: 'soon' });
    const good = { ...EVENT, who: { name: 'ana', mail: 'ana@example.com' }, mfa: 'true', port: '443', code: EVENT.at };
    expect(await row(mapping, good)).not.toHaveProperty('unmapped');
  });

  test('holds a word for which a lookup has no value, unless another column keeps it', async () => {
    const status_id = lookup(record.code, { ok: 1 }, literal(0));
    expect((await row(api({ status_id }), { ...EVENT, code: 'odd' })).unmapped).toEqual({ code: 'odd' });
    expect(await row(api({ status_id }), { ...EVENT, code: 'ok' })).not.toHaveProperty('unmapped');
    expect(await row(api({ status_id, status_code: record.code }), { ...EVENT, code: 'odd' })).not.toHaveProperty(
      'unmapped',
    );
  });

  test("does not hold the source's own word where it is the caption of 99, and holds it where another caption stands", async () => {
    const status_id = lookup(record.code, { ok: 1 }, literal(99));
    const mapping = api({ status_id, status: record.mfa });
    const found = await rowsOf(mapping, [
      { ...EVENT, mfa: 'odd', code: 'x' },
      { ...EVENT, mfa: 'fine', code: 'ok' },
    ]);
    expect(found.map(({ status, unmapped }) => [status, unmapped])).toEqual([
      ['odd', { code: 'x' }],
      ['Success', { mfa: 'fine' }],
    ]);
  });

  test('keeps a field that was only looked at', async () => {
    const mapping = api({ status_id: when([[isNotNull(record.code), literal(2)]], literal(1)) });
    expect((await row(mapping, { ...EVENT, code: 'E1' })).unmapped).toEqual({ code: 'E1' });
  });

  test('does not hold a field that was taken under a name, and computed once', async () => {
    const who = named('who', coalesce(record.who.mail, record.who.kind));
    const mapping = api({ 'actor.user.uid': who });
    expect(await row(mapping, { ...EVENT, who: { name: 'ana', mail: 'm', kind: 'k' } })).not.toHaveProperty('unmapped');
  });
});

describe('an object that OCSF would not let stand', () => {
  const mapping = api({ 'api.request.data': jsonOrText(record.request), 'api.request.uid': record.requestId });

  test('is left out, and its data stays in unmapped', async () => {
    const found = await row(mapping, { ...EVENT, request: { a: 1 } });
    expect(found.api).toEqual({ operation: 'Do' });
    expect(found.unmapped).toEqual({ request: '{"a":1}' });
  });

  test('stands once what it requires is there', async () => {
    const found = await row(mapping, { ...EVENT, request: { a: 1 }, requestId: 'r-1' });
    expect(found.api).toEqual({ operation: 'Do', request: { data: '{"a":1}', uid: 'r-1' } });
    expect(found).not.toHaveProperty('unmapped');
  });

  test('in a list is left out of it, and a list without elements is absent', async () => {
    const listed = defineMapping({
      source,
      class: apiActivity,
      events: 'rest',
      columns: (r) => ({
        ...least,
        resources: objects('resource_details', { name: r.who.kind, type: r.code }, { name: r.who.mail }),
      }),
    });
    const found = await rowsOf(listed, [
      { ...EVENT, code: 'bucket', who: { name: 'ana', mail: 'two' } },
      { ...EVENT, code: 'bucket' },
    ]);
    expect(found[0]?.resources).toEqual([{ name: 'two' }]);
    expect(found[1]).not.toHaveProperty('resources');
  });
});

describe('columns of a table', () => {
  test('have the types of the schema', () => {
    const type = rowType('network_activity', [
      {
        time: isoTime(record.at),
        'traffic.bytes': sql`1`,
        'src_endpoint.port': integer(record.port),
        'src_endpoint.ip': ipAddress(record.address),
        'src_endpoint.intermediate_ips': sql`[]`,
        is_alert: boolean(record.mfa),
        unmapped: sql`NULL`,
        policy: sql`NULL`,
        attacks: objects('attack', { 'technique.uid': record.what }),
      },
    ]);
    const types = Object.fromEntries(type.columns.map(({ name, type }) => [name, type]));
    expect(types).toMatchObject({
      time: 'long',
      traffic: { struct: { bytes: 'long' } },
      src_endpoint: { struct: { intermediate_ips: { list: 'text' }, ip: 'text', port: 'integer' } },
      is_alert: 'boolean',
      unmapped: { map: ['text', 'text'] },
      attacks: { list: { struct: { technique: { struct: { uid: 'text' } } } } },
      observables: { list: { struct: { name: 'text', type: 'text', type_id: 'integer', value: 'text' } } },
    });
  });

  test('are the union of what the mappings of the class give, in the order of the schema, with NULL where one gives nothing', async () => {
    const one = api({ 'api.version': record.code });
    const two = api({ 'http_request.user_agent': record.code });
    const names = classType('api_activity', [one, two]).columns.map(({ name }) => name);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(['api', 'http_request', 'unmapped']));
    const [found] = await rowsOf(one, [{ ...EVENT, code: '1' }], [one, two]);
    expect(found).not.toHaveProperty('http_request');
    const [empty] = await rows(
      engine,
      spell(
        sql`SELECT typeof(http_request) AS type FROM (${selectMapping(one, classType('api_activity', [one, two]))})`,
        engine.dialect,
      ),
    );
    expect(empty?.type).toBe('STRUCT(user_agent VARCHAR)');
  });

  test('are those of the stage, whose key is the id and the content', () => {
    const [stage] = silverStages([api({})]);
    expect(stage?.name).toBe('silver.api_activity');
    expect(stage?.key).toEqual(['metadata.uid', 'raw_data_hash.value']);
    expect(stage?.inputs).toEqual([source]);
    expect(silverStages([api({ 'api.version': record.code })])[0]?.hash).not.toBe(stage?.hash);
  });
});

describe('each event goes to one class', () => {
  const of = (target: typeof authentication | typeof networkActivity, events: Mapping['events']): Mapping =>
    ({ source, class: target, events, parsed: {}, columns: {} }) as unknown as Mapping;
  const route = async (mappings: readonly Mapping[], service: string, action: string): Promise<unknown> => {
    const statement = sql`SELECT ${classOfRow(mappings)} AS class FROM (VALUES (${service}, ${action})) AS t(service, action)`;
    return (await rows(engine, spell(statement, engine.dialect)))[0]?.class;
  };

  test('by its service and action together, never by the action alone; what nobody takes goes to the rest', async () => {
    const mappings = [
      of(authentication, { iam: { Login: 1 }, sts: { '*': 1 } }),
      of(networkActivity, { iam: { Flow: 6 }, sts: { Flow: 6 } }),
      api({}),
    ];
    expect(await route(mappings, 'iam', 'Login')).toBe('authentication');
    expect(await route(mappings, 'cognito', 'Login')).toBe('api_activity');
    expect(await route(mappings, 'sts', 'Anything')).toBe('authentication');
    expect(await route(mappings, 'sts', 'Flow')).toBe('network_activity');
    expect(await route(mappings, "it's", 'Login')).toBe('api_activity');
  });

  test('and two mappings that take the same event, or the rest, are refused', () => {
    expect(() =>
      classOfRow([of(authentication, { iam: { Login: 1 } }), of(networkActivity, { iam: { Login: 1 } })]),
    ).toThrow('example: both authentication and network_activity take iam Login');
    expect(() => classOfRow([of(authentication, 'rest'), of(networkActivity, 'rest')])).toThrow(
      'example: authentication and network_activity both take the rest',
    );
  });

  test('and its activity is the one beside its name in the mapping', async () => {
    const activity = activityOf({ iam: { Login: 1, Logout: 2, '*': 99 }, sts: { Login: 3 } });
    const given = sql`(SELECT *, service || ' ' || action AS kind FROM (VALUES (1, 'iam', 'Login'), (2, 'iam', 'Logout'), (3, 'iam', 'Other'), (4, 'sts', 'Login'), (5, 'sts', 'Logout')) AS t(n, service, action))`;
    const found = await rows(
      engine,
      spell(sql`SELECT ${activity} AS activity FROM ${given} ORDER BY n NULLS LAST`, engine.dialect),
    );
    expect(found.map((one) => one.activity)).toEqual([1, 2, 99, 3, null]);
  });
});

test('a class with other demands names those', () => {
  expect(() =>
    defineMapping({
      source,
      class: detectionFinding,
      events: 'rest',
      columns: (r) => ({
        activity_id: literal(1),
        'finding_info.title': r.what,
        'metadata.product.name': literal('Example'),
        severity_id: literal(1),
      }),
    }),
  ).toThrow('example → detection_finding lacks what OCSF requires: finding_info.uid');
});
