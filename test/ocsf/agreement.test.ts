import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isMap, parseJson } from '../../ocsf/json.ts';
import { LEVELS } from '../../ocsf/problem.ts';
import { schema } from '../../ocsf/schema.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { diceFrom, invent, mutate } from './mutation.ts';

interface Finding {
  kind: string;
  path: string;
}

interface Oracle {
  parseJson(text: string): unknown;
  loadSchema(path: string): unknown;
  validateEvent(schema: unknown, event: unknown, options: object): { errors: Finding[]; warnings: Finding[] };
}

const shared = new URL('../../../shared/ocsf/', import.meta.url);
const specifier = new URL('validate.mjs', shared).href;
const present = existsSync(new URL(specifier));
if (!present) console.warn(`skipped: the agreement with the oracle needs ${specifier}`);

const MUTATIONS = 6_000;

/** Kinds that no event of these classes can cause in OCSF 1.8.0. */
const IDLE = ['class_deprecated', 'object_deprecated', 'attribute_enum_array_value_deprecated'];

describe.skipIf(!present)('the verdicts are those of the oracle', async () => {
  if (!present) return;
  const oracle = (await import(/* @vite-ignore */ specifier)) as Oracle;
  const full = oracle.loadSchema(fileURLToPath(new URL('ocsf-1.8.0.core.json', shared)));
  const uids = new Set(Object.values(schema.classes).map(({ uid }) => uid));

  const verdicts = (text: string) => {
    const event = parseJson(text);
    // With lint, the oracle throws on observables that are no array.
    const lint = !isMap(event) || event.observables === undefined || Array.isArray(event.observables);
    const { errors, warnings } = oracle.validateEvent(full, oracle.parseJson(text), { lint });
    const line = (level: string) => (finding: Finding) => `${level} ${finding.kind} ${finding.path}`;
    return {
      ours: validateEvent(event, { lint })
        .map((problem) => line(problem.level)(problem))
        .sort(),
      theirs: [...errors.map(line('error')), ...warnings.map(line('warning'))].sort(),
    };
  };

  const texts = readdirSync(new URL('pairs', shared), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ocsf.ndjson'))
    .sort()
    .flatMap((path) => readFileSync(new URL(`pairs/${path}`, shared), 'utf8').split('\n'))
    .filter((line) => line.trim() !== '' && uids.has(JSON.parse(line).class_uid));
  const events = texts.map((text) => JSON.parse(text));

  test('on every reference event of our classes', () => {
    expect(texts.length).toBeGreaterThan(30);
    for (const text of texts) {
      const { ours, theirs } = verdicts(text);
      expect(ours).toEqual(theirs);
    }
  });

  test(`on ${MUTATIONS} mutations of them and of invented events, which show every kind of problem`, () => {
    const dice = diceFrom(20260101);
    const seen = new Set<string>();
    for (let index = 0; index < MUTATIONS; index += 1) {
      const event = index % 2 === 0 ? dice.pick(events) : invent(dice.pick(Object.values(schema.classes)), dice);
      const text = mutate(event, dice);
      const { ours, theirs } = verdicts(text);
      expect(ours, text).toEqual(theirs);
      for (const line of theirs) seen.add(line.split(' ')[1] ?? '');
    }
    const kinds = Object.keys(LEVELS).filter((kind) => kind !== 'event_wrong_type' && !IDLE.includes(kind));
    expect([...seen].sort()).toEqual(kinds.sort());
  });

  test.each(['null', '[]', '1.0', '"x"', '{}', '{"class_uid":null}', '[{"class_uid":3002}]'])('on %s', (text) => {
    const { ours, theirs } = verdicts(text);
    expect(ours).toEqual(theirs);
  });
});
