import { describe, expect, test } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { type Kind, LEVELS, show } from '../../ocsf/problem.ts';
import { validateEvent } from '../../ocsf/validate.ts';

const SIGN_IN = {
  class_uid: 3002,
  class_name: 'Authentication',
  category_uid: 3,
  activity_id: 1,
  activity_name: 'Logon',
  type_uid: 300201,
  severity_id: 1,
  time: 1668097474000,
  user: { name: 'anaya', type_id: 1, account: { uid: '123456789012', type_id: 10 } },
  service: { name: 'signin.amazonaws.com' },
  src_endpoint: { ip: '192.0.2.1', port: 443 },
  metadata: { version: '1.8.0', product: { name: 'CloudTrail', vendor_name: 'AWS' }, profiles: ['datetime'] },
};

const DNS = {
  class_uid: 4003,
  category_uid: 4,
  activity_id: 1,
  type_uid: 400301,
  severity_id: 1,
  time: 1668097474000,
  query: { hostname: 'example.com' },
  src_endpoint: { ip: '192.0.2.1' },
  metadata: { version: '1.8.0', product: { name: 'Route 53', vendor_name: 'AWS' } },
  answers: [{ rdata: '192.0.2.7', flag_ids: [1, 4], flags: ['Authoritative Answer', 'Recursion Available'] }],
};

interface Case {
  of?: object;
  set: Record<string, unknown>;
  at: string;
}

/** Kinds that no class or object of this OCSF version can cause. */
type Idle = 'class_deprecated' | 'object_deprecated' | 'attribute_enum_array_value_deprecated' | 'event_wrong_type';

const observable = (of: object) => ({ observables: [{ name: 'src_endpoint.ip', type_id: 2, ...of }] });

const CASES: Record<Exclude<Kind, Idle>, Case[]> = {
  class_uid_unknown: [{ set: { class_uid: 9999 }, at: 'class_uid' }],
  profile_unknown: [{ set: { 'metadata.profiles': ['datetime', 'clowd'] }, at: 'metadata.profiles[1]' }],
  version_earlier: [
    { set: { 'metadata.version': '1.7.9' }, at: 'metadata.version' },
    { set: { 'metadata.version': 'latest' }, at: 'metadata.version' },
  ],
  version_incompatible_initial_development: [{ set: { 'metadata.version': '0.9.0' }, at: 'metadata.version' }],
  version_incompatible_later: [{ set: { 'metadata.version': '1.10.0' }, at: 'metadata.version' }],
  version_incompatible_prerelease: [{ set: { 'metadata.version': '1.8.0-dev' }, at: 'metadata.version' }],
  type_uid_incorrect: [{ set: { type_uid: 300202 }, at: 'type_uid' }],
  attribute_required_missing: [
    { set: { class_uid: null }, at: 'class_uid' },
    { set: { time: null }, at: 'time' },
    { set: { time: undefined }, at: 'time' },
    { set: { user: { name: null } }, at: 'user' },
    { set: { 'metadata.product': null }, at: 'metadata.product' },
  ],
  attribute_unknown: [
    { set: { colour: 'red' }, at: 'colour' },
    { set: { 'user.__proto__x': 1 }, at: 'user.__proto__x' },
    { set: { cloud: { provider: 'AWS' } }, at: 'cloud' },
    { set: { time_dt: '2022-11-10T16:24:34Z', 'metadata.profiles': [] }, at: 'time_dt' },
  ],
  attribute_wrong_type: [
    { set: { class_uid: '3002' }, at: 'class_uid' },
    { set: { time: '1668097474000' }, at: 'time' },
    { set: { count: parseJson('1.0') }, at: 'count' },
    { set: { count: 2n ** 63n }, at: 'count' },
    { set: { 'src_endpoint.port': 2n ** 63n }, at: 'src_endpoint.port' },
    { set: { is_mfa: 'true' }, at: 'is_mfa' },
    { set: { user: 'anaya' }, at: 'user' },
    { set: { service: [{ name: 'signin.amazonaws.com' }] }, at: 'service' },
    { set: { 'user.groups': { name: 'admins' } }, at: 'user.groups' },
    { set: { 'user.groups': [{ name: 'admins' }, null] }, at: 'user.groups[1]' },
    { set: { 'src_endpoint.location': { lat: 1, city: 'Oslo' } }, at: 'src_endpoint.location.lat' },
  ],
  attribute_deprecated: [{ set: { 'user.credential_uid': 'AKIAEXAMPLE' }, at: 'user.credential_uid' }],
  attribute_value_exceeds_max_len: [{ set: { 'src_endpoint.ip': `${' '.repeat(40)}::1` }, at: 'src_endpoint.ip' }],
  attribute_value_exceeds_range: [{ set: { 'src_endpoint.port': 65536 }, at: 'src_endpoint.port' }],
  attribute_value_regex_not_matched: [
    { set: { 'src_endpoint.ip': 'signin.amazonaws.com' }, at: 'src_endpoint.ip' },
    { set: { 'user.email_addr': 'anaya' }, at: 'user.email_addr' },
  ],
  attribute_enum_value_unknown: [
    { set: { status_id: 7 }, at: 'status_id' },
    { set: { severity_id: 77 }, at: 'severity_id' },
  ],
  attribute_enum_value_deprecated: [{ set: { 'user.account.type_id': 3 }, at: 'user.account.type_id' }],
  attribute_enum_sibling_incorrect: [{ set: { activity_name: 'Logoff' }, at: 'activity_name' }],
  attribute_enum_sibling_suspicious_other: [{ set: { status_id: 99, status: 'Other' }, at: 'status' }],
  attribute_enum_array_value_unknown: [
    { of: DNS, set: { answers: [{ rdata: 'x', flag_ids: [1, 44] }] }, at: 'answers[0].flag_ids[1]' },
  ],
  attribute_enum_array_sibling_missing: [
    {
      of: DNS,
      set: { answers: [{ rdata: 'x', flag_ids: [1, 4], flags: ['Authoritative Answer'] }] },
      at: 'answers[0].flags[1]',
    },
  ],
  attribute_enum_array_sibling_incorrect: [
    { of: DNS, set: { answers: [{ rdata: 'x', flag_ids: [1], flags: ['RD'] }] }, at: 'answers[0].flags[0]' },
  ],
  constraint_failed: [
    { set: { service: null }, at: '' },
    { set: { 'user.account': null, 'user.name': undefined }, at: 'user' },
    {
      of: { ...DNS, class_uid: 2004, category_uid: 2, type_uid: 200401, query: null, src_endpoint: null },
      set: {
        answers: null,
        finding_info: { uid: '1', title: 'x' },
        vulnerabilities: [{ cve: { uid: 'CVE-2024-0001' }, cwe: { uid: 'CWE-79' } }],
      },
      at: 'vulnerabilities[0]',
    },
  ],
  observable_name_invalid_reference: [
    { set: observable({ name: 'src_endpoint.address' }), at: 'observables[0].name' },
    { set: observable({ name: 'user[0].name', type_id: 4 }), at: 'observables[0].name' },
    { set: observable({ name: 'cloud.provider' }), at: 'observables[0].name' },
    { set: observable({ name: 'unmapped.x' }), at: 'observables[0].name' },
    { set: observable({ name: '' }), at: 'observables[0].name' },
  ],
  lint_profile_not_applicable: [{ set: { 'metadata.profiles': ['load_balancer'] }, at: 'metadata.profiles[0]' }],
  lint_observable_dangling: [{ set: observable({ name: 'dst_endpoint.ip' }), at: 'observables[0].name' }],
  lint_observable_value_mismatch: [{ set: observable({ value: '192.0.2.9' }), at: 'observables[0].value' }],
  lint_observable_type: [
    { set: observable({ type_id: 1 }), at: 'observables[0].type_id' },
    { set: observable({ name: 'user', type_id: 4 }), at: 'observables[0].type_id' },
  ],
  lint_empty_array: [{ set: { 'user.groups': [] }, at: 'user.groups' }],
  lint_empty_string: [{ set: { status_detail: '' }, at: 'status_detail' }],
  lint_placeholder: [
    { set: { status_detail: '-' }, at: 'status_detail' },
    { set: { 'user.groups': [{ name: 'None' }] }, at: 'user.groups[0].name' },
  ],
  lint_untrimmed: [{ set: { 'user.name': 'anaya ' }, at: 'user.name' }],
  lint_timestamp_scale: [{ set: { time: 1668097474 }, at: 'time' }],
  lint_integer_exceeds_int32: [{ set: { count: 2 ** 31 }, at: 'count' }],
  lint_long_exceeds_int64: [{ set: { duration: 2n ** 63n }, at: 'duration' }],
  lint_end_before_start: [{ set: { start_time: 1668097474000, end_time: 1668097473000 }, at: 'end_time' }],
  lint_dt_mismatch: [
    { set: { time_dt: '2022-11-10T16:24:35Z' }, at: 'time_dt' },
    { set: { time_dt: '2022-11-10T16:24:34+01:00' }, at: 'time_dt' },
  ],
};

function put(of: object, path: string, value: unknown): object {
  const [head = '', ...rest] = path.split('.');
  const inner: unknown = Reflect.get(of, head);
  return { ...of, [head]: rest.length === 0 ? value : put(inner as object, rest.join('.'), value) };
}

function event({ of = SIGN_IN, set }: Case): object {
  return Object.entries(set).reduce((item, [path, value]) => put(item, path, value), of);
}

for (const [kind, cases] of Object.entries(CASES)) {
  describe(kind, () => {
    for (const given of cases) {
      test(`${show(given.set)} has this one problem, at "${given.at}"`, () => {
        const [problem, ...others] = validateEvent(event(given), { lint: kind.startsWith('lint_') });
        expect(problem).toMatchObject({ kind, level: LEVELS[kind as Kind], path: given.at });
        expect(problem?.message).toMatch(/\S/);
        expect(others).toEqual([]);
      });
    }
  });
}

test.each([SIGN_IN, DNS])('a sound event has no problem, also to the lint', (sound) => {
  expect(validateEvent(sound, { lint: true })).toEqual([]);
});

for (const set of [
  { 'src_endpoint.port': 0 },
  { 'src_endpoint.port': 65535 },
  { time: 0 },
  { status_id: 99, status: 'NODATA' },
  { count: 2 ** 31 - 1 },
  { duration: 2n ** 63n - 1n },
  { 'src_endpoint.ip': '2001:db8::1' },
  { time_dt: '2022-11-10T17:24:34+01:00' },
  observable({ name: 'user', type_id: 21 }),
  observable({ type_id: 99 }),
]) {
  test(`${show(set)} is no problem, also to the lint`, () => {
    expect(validateEvent(event({ set, at: '' }), { lint: true })).toEqual([]);
  });
}

test.each([null, 1, 'x', [], [SIGN_IN]])('%j is no event', (value) => {
  expect(validateEvent(value)).toMatchObject([{ kind: 'event_wrong_type', level: 'error', path: '' }]);
});

test('a missing profile is named in the message', () => {
  const [problem] = validateEvent({ ...SIGN_IN, cloud: { provider: 'AWS' } });
  expect(problem?.message).toBe('"authentication" has no "cloud" unless metadata.profiles has cloud');
});

test('nulls, empty objects and undefined members are absent', () => {
  const sparse = { ...SIGN_IN, unmapped: {}, device: null, status: undefined, actor: { user: { name: null } } };
  expect(validateEvent(sparse, { lint: true })).toEqual([]);
});

test('unmapped may hold anything', () => {
  expect(validateEvent({ ...SIGN_IN, unmapped: { a: 1, b: ['-', []] } }, { lint: true })).toEqual([]);
});

test('a float may be a plain number or one that keeps its fraction', () => {
  for (const lat of [59.9, parseJson('59.0')]) {
    const given = { ...SIGN_IN, src_endpoint: { ip: '192.0.2.1', location: { city: 'Oslo', lat, long: 10.7 } } };
    expect(validateEvent(given).filter(({ kind }) => kind !== 'attribute_deprecated')).toEqual([]);
  }
});

test('an observable of an array may name its index', () => {
  const given = {
    ...SIGN_IN,
    user: { ...SIGN_IN.user, groups: [{ name: 'staff' }, { name: 'admins' }] },
    observables: [
      { name: 'user.groups[1].name', type_id: 32, value: 'admins' },
      { name: 'user.groups[].name', type_id: 32, value: 'staff' },
      { name: 'user.groups.name', type_id: 32, value: 'staff' },
    ],
  };
  expect(validateEvent(given, { lint: true })).toEqual([]);
});

test('an event made to break the validator gets a verdict', () => {
  const trap = { toString: 1, valueOf: 1, constructor: 1, hasOwnProperty: 1 };
  for (const name of [...Object.keys(SIGN_IN), 'observables', 'unmapped', 'constructor', 'toString']) {
    for (const value of [trap, [trap], [[]], parseJson('{"__proto__":{"class_uid":3002}}')]) {
      expect(() => validateEvent({ ...SIGN_IN, [name]: value }, { lint: true })).not.toThrow();
    }
  }
  const named = ['constructor.name', 'toString', '__proto__', '[', ']', 'user[', 'user[x].name', '..'];
  const observables = named.map((name) => ({ name, type_id: 2, value: trap }));
  expect(() => validateEvent({ ...SIGN_IN, observables }, { lint: true })).not.toThrow();
});
