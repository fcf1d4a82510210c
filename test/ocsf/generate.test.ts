import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { generate } from '../../ocsf/generate.ts';
import { slim } from '../../ocsf/slim.ts';
import type { Authentication, Classes, Ip, Objects, Process, Timestamp, Unmapped, User } from '../../ocsf/types.ts';

const repository = new URL('../../', import.meta.url);
const core = new URL('../shared/ocsf/ocsf-1.8.0.core.json', repository);
const here = (path: string) => readFileSync(new URL(path, repository), 'utf8');

test('types.ts is what generate makes of schema.json', () => {
  expect(here('ocsf/types.ts')).toBe(generate());
});

if (!existsSync(core)) console.warn(`skipped: the comparison with the compiled schema needs ${core}`);

describe.skipIf(!existsSync(core))('with the compiled schema at hand', () => {
  test('schema.json is what slim makes of the compiled schema', () => {
    expect(here('ocsf/schema.json')).toBe(slim(JSON.parse(readFileSync(core, 'utf8'))));
  });
});

test('schema.json has one attribute per line and no prose', () => {
  const text = here('ocsf/schema.json');
  expect(text.match(/"requirement":/g)?.length).toBe(
    text.match(/^ {8}"\w+": \{"type":.*"requirement":.*\},?$/gm)?.length,
  );
  expect(text.match(/"(description|message|group|source)":"|"associations":[{[]/)).toBeNull();
});

test('a class, an object and their values have the types that OCSF gives them', () => {
  expectTypeOf<Classes['authentication']>().toEqualTypeOf<Authentication>();
  expectTypeOf<Objects['user']>().toEqualTypeOf<User>();
  expectTypeOf<Authentication['class_uid']>().toEqualTypeOf<3002>();
  expectTypeOf<Authentication['status_id']>().toEqualTypeOf<0 | 1 | 2 | 99>();
  expectTypeOf<Authentication['type_uid']>().toEqualTypeOf<bigint>();
  expectTypeOf<Authentication['time']>().toEqualTypeOf<Timestamp>();
  expectTypeOf<Authentication['src_endpoint']['ip']>().toEqualTypeOf<Ip>();
  expectTypeOf<Authentication['unmapped']>().toEqualTypeOf<Unmapped>();
  expectTypeOf<Process['parent_process']>().toEqualTypeOf<Process>();
  expectTypeOf<User['groups'][number]['name']>().toEqualTypeOf<string>();
  expectTypeOf<string>().not.toExtend<Ip>();
  expectTypeOf<bigint>().not.toExtend<Timestamp>();
});
