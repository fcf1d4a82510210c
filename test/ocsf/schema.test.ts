import { describe, expect, test } from 'vitest';
import { attributeAt, attributesUnder, nearNames, observableTypeOf, primitiveOf, schema } from '../../ocsf/schema.ts';

const at = (path: string) => attributeAt('authentication', path);

describe('attributeAt', () => {
  test('a path gives every attribute on the way and the leaf', () => {
    const { chain, leaf } = at('actor.user.uid');
    expect(chain.map(({ name, attribute }) => [name, attribute.object_type ?? attribute.type])).toEqual([
      ['actor', 'actor'],
      ['user', 'user'],
      ['uid', 'string_t'],
    ]);
    expect(leaf).toBe(schema.objects.user?.attributes.uid);
  });

  test('a path of one segment is its own leaf, also when it is an object', () => {
    expect(at('user').leaf.object_type).toBe('user');
  });

  test('a path leads through arrays', () => {
    const { chain, leaf } = at('user.groups.name');
    expect(chain.map(({ attribute }) => attribute.is_array ?? false)).toEqual([false, true, false]);
    expect(leaf.type).toBe('string_t');
  });

  test.each([
    ['actor.usr.uid', 'OCSF has no "usr" in "actor.usr.uid": not in authentication.actor; near: "user"'],
    ['src_endpint.ip', 'OCSF has no "src_endpint" in "src_endpint.ip": not in authentication; near: "src_endpoint"'],
    ['time.zone', 'OCSF has no "zone" in "time.zone": authentication.time has type timestamp_t'],
    ['user.toString', 'OCSF has no "toString" in "user.toString": not in authentication.user'],
    ['unmapped.x', 'OCSF has no "x" in "unmapped.x": not in authentication.unmapped'],
    ['', 'OCSF has no "" in "": not in authentication'],
    ['user.', 'OCSF has no "" in "user.": not in authentication.user'],
  ])('"%s" is an error that says which segment is wrong', (path, message) => {
    expect(() => at(path)).toThrow(new Error(message));
  });

  test('an unknown class is an error that names near ones', () => {
    expect(() => attributeAt('autentication', 'time')).toThrow(
      new Error('OCSF has no class "autentication"; near: "authentication"'),
    );
  });
});

test('near names come nearest first, at most three', () => {
  expect(nearNames('uidd', ['uid', 'uid_alt', 'name', 'guid'])).toEqual(['uid', 'guid']);
  expect(nearNames('a', ['b', 'c', 'd', 'e'])).toHaveLength(3);
  expect(nearNames('actor', [])).toEqual([]);
});

test('an attribute with profiles exists only under one of them', () => {
  const type = schema.classes.authentication;
  if (type === undefined) throw new Error('no class');
  expect(attributesUnder(type, []).has('cloud')).toBe(false);
  expect(attributesUnder(type, ['cloud']).has('cloud')).toBe(true);
  expect(attributesUnder(type, ['cloud', 'no_such_profile', 'cloud'])).toBe(attributesUnder(type, ['cloud']));
});

test('an observable has the type of its attribute, else of its object, else of its data type', () => {
  const type = (path: string) => observableTypeOf(at(path).leaf);
  expect([type('user.uid'), type('user'), type('src_endpoint.ip'), type('status')]).toEqual([31, 21, 2, undefined]);
});

test('the primitive behind a type', () => {
  expect(['timestamp_t', 'ip_t', 'string_t', 'object_t'].map(primitiveOf)).toEqual([
    'long_t',
    'string_t',
    'string_t',
    'object_t',
  ]);
});

describe('what the validator takes for granted of this version', () => {
  test('primitive types restrict nothing, so a type need not look at its primitive', () => {
    const restricted = Object.entries(schema.types).filter(
      ([, { type, regex, max_len, range }]) => type === undefined && (regex ?? max_len ?? range) !== undefined,
    );
    expect(restricted).toEqual([]);
    expect(Object.keys(schema.types).filter((name) => schema.types[name]?.values)).toEqual(['boolean_t']);
  });

  test('classes and objects share no names', () => {
    expect(Object.keys(schema.classes).filter((name) => name in schema.objects)).toEqual([]);
  });
});
