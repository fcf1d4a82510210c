import {
  type Attribute,
  attributeAt,
  attributesUnder,
  type ClassType,
  type Definition,
  objectOf,
  primitiveOf,
  schema,
} from '../../ocsf/schema.ts';

type Item = Record<string, unknown>;

interface Node {
  item: Item;
  definition: Definition;
  path: string;
}

/** Choices that a seed determines. */
export interface Dice {
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** Dice that fall alike for the same seed (mulberry32). */
export function diceFrom(seed: number): Dice {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]) => items[Math.floor(next() * items.length)] as T,
  };
}

/** The JSON text of an event after one to four changes, most of them for the worse. */
export function mutate(event: object, dice: Dice): string {
  const item = structuredClone(event) as Item;
  const type = Object.values(schema.classes).find(({ uid }) => uid === item.class_uid);
  if (type === undefined) throw new Error(`no class ${item.class_uid}`);
  const change = mutator(item, type, dice);
  for (let left = dice.pick([1, 2, 3, 4]); left > 0; left -= 1) change();
  return JSON.stringify(item).replace(/"raw:([^"]*)"/g, '$1');
}

/** An event of a class, mostly sound, with a random part of what the class may have. */
export function invent(type: ClassType, dice: Dice): object {
  return {
    ...inventItem(type, dice, 0),
    class_uid: type.uid,
    metadata: {
      version: schema.version,
      product: { name: 'x' },
      profiles: type.profiles?.filter(() => dice.chance(0.5)),
    },
  };
}

function inventItem(definition: Definition, dice: Dice, depth: number): Item {
  const entries = Object.entries(definition.attributes).filter(
    ([, a]) => dice.chance(a.requirement === 'required' ? 0.95 : 0.2) && (depth < 3 || !a.object_type),
  );
  const item: Item = Object.fromEntries(entries.map(([name, a]) => [name, inventValue(a, dice, depth)]));
  for (const [name, { enum: captions, sibling }] of entries) {
    if (captions === undefined || sibling === undefined || dice.chance(0.3)) continue;
    const value = item[name];
    item[sibling] = Array.isArray(value) ? value.map((part) => captions[part]) : captions[String(value)];
  }
  return item;
}

function inventValue(attribute: Attribute, dice: Dice, depth: number): unknown {
  if (!attribute.is_array) return inventOne(attribute, dice, depth);
  return Array.from({ length: dice.pick([0, 1, 2]) }, () => inventOne(attribute, dice, depth));
}

function inventOne(attribute: Attribute, dice: Dice, depth: number): unknown {
  const object = objectOf(attribute);
  const primitive = primitiveOf(attribute.type);
  if (object) return inventItem(object, dice, depth + 1);
  if (attribute.enum) {
    const key = dice.pick(Object.keys(attribute.enum));
    return primitive === 'string_t' ? key : Number(key);
  }
  if (dice.chance(0.02)) return structuredClone(dice.pick(ODD_VALUES));
  return structuredClone(dice.pick(SOUND_VALUES[attribute.type] ?? SOUND_VALUES[primitive] ?? ['x']));
}

const raw = (text: string) => `raw:${text}`;

const ODD_VALUES = [
  null,
  true,
  0,
  1,
  -1,
  99,
  70_000,
  2 ** 31,
  raw('1.0'),
  raw('-2.5e3'),
  raw('9223372036854775808'),
  raw('-170141183460469231731687303715884105729'),
  '',
  '-',
  'N/A',
  ' padded ',
  '1',
  '99',
  '192.0.2.300',
  'not an address',
  'a@b',
  `${' '.repeat(60)}::1`,
  [],
  {},
  [null],
  [[]],
  { a: null },
  { name: 'x' },
];

const VERSIONS = [
  '1.8.0',
  '1.7.0',
  '1.9.0',
  '2.0.0',
  '0.8.0',
  '1.8.0-dev',
  '1.7.0-rc.2',
  '1.9.0-rc.1',
  '0.1.0-a',
  'v1',
  '',
];

const SOUND_VALUES: Record<string, unknown[]> = {
  ip_t: ['192.0.2.1', '2001:db8::1', ' 192.0.2.1', 'x', `2001:db8::1%${'0'.repeat(40)}`],
  email_t: ['a@example.com', 'anaya'],
  port_t: [0, 443, 65_535, 65_536, -1],
  boolean_t: [true, false],
  integer_t: [0, 7, 443],
  long_t: [0, 1_668_097_474_000],
  float_t: [raw('1.0'), raw('0.25'), 3],
  string_t: ['x', 'anaya', '192.0.2.1', 'a@example.com', '2022-11-10T16:24:34Z'],
  json_t: ['{}', 1, { a: [] }, null],
};

function mutator(event: Item, type: ClassType, dice: Dice): () => void {
  const { chance, pick } = dice;
  return () => {
    const changes: (() => void)[] = [
      () => replaceOrRemove(),
      () => addAttribute(),
      () => addAttribute(),
      () => addUnknown(),
      () => setEnum(),
      () => setEnum(),
      () => setProfiles(),
      () => setObservables(),
      () => setTimes(),
      () => setIdentity(),
    ];
    pick(changes)();
  };

  function nodes(): Node[] {
    const found: Node[] = [];
    const visit = (value: unknown, definition: Definition, path: string) => {
      if (Array.isArray(value)) for (const [i, part] of value.entries()) visit(part, definition, `${path}[${i}]`);
      else if (typeof value === 'object' && value !== null) {
        const item = value as Item;
        found.push({ item, definition, path });
        for (const [name, part] of Object.entries(item)) {
          const attribute = definition.attributes[name];
          const object = attribute && objectOf(attribute);
          if (object) visit(part, object, path === '' ? name : `${path}.${name}`);
        }
      }
    };
    visit(event, type, '');
    return found;
  }

  function replaceOrRemove(): void {
    const { item } = pick(nodes().filter((node) => Object.keys(node.item).length > 0));
    const name = pick(Object.keys(item));
    if (item === event && (name === 'class_uid' || name === 'metadata') && chance(0.9)) return;
    if (chance(0.3)) delete item[name];
    else if (chance(0.2)) item[name] = [item[name]];
    else if (typeof item[name] === 'string' && chance(0.5)) item[name] = pick(['', '-', 'none', ' x', 'null']);
    else item[name] = structuredClone(pick(ODD_VALUES));
  }

  function addAttribute(): void {
    const { item, definition } = pick(nodes());
    const names = Object.keys(definition.attributes).filter((name) => name !== 'class_uid');
    const deprecated = names.filter((name) => definition.attributes[name]?.deprecated);
    const name = names.length === 0 ? 'free' : pick(deprecated.length > 0 && chance(0.3) ? deprecated : names);
    const attribute = definition.attributes[name];
    item[name] = attribute ? inventValue(attribute, dice, 1) : structuredClone(pick(ODD_VALUES));
    for (const profile of attribute?.profiles ?? []) if (chance(0.7)) addProfile(profile);
  }

  function addUnknown(): void {
    const { item } = pick(nodes());
    item[pick(['colour', 'Name', 'uid_', 'cloud', 'time_dt', 'device'])] = pick(ODD_VALUES);
  }

  function setEnum(): void {
    const choices = nodes().flatMap(({ item, definition }) =>
      Object.entries(definition.attributes)
        .filter(([name, a]) => a.enum && (name in item || chance(0.1)) && name !== 'class_uid')
        .map(([name, attribute]) => ({ item, name, attribute })),
    );
    if (choices.length === 0) return;
    const { item, name, attribute } = pick(choices);
    const captions = attribute.enum ?? {};
    const keys = [...Object.keys(captions), ...Object.keys(attribute.enum_deprecated ?? {}), '99', '77'];
    const values = Array.from({ length: attribute.is_array ? 3 : 1 }, () => {
      const key = pick(keys);
      return chance(0.1) ? pick([key, true, null, raw('1.0')]) : Number.isNaN(Number(key)) ? key : Number(key);
    });
    const words = values.map((value) =>
      chance(0.6) ? (captions[String(value)] ?? 'Other') : pick(['Wrong', 'Other', null, 5]),
    );
    item[name] = attribute.is_array ? values : values[0];
    if (attribute.sibling === undefined || chance(0.3)) return;
    item[attribute.sibling] = attribute.is_array && chance(0.9) ? words.slice(chance(0.3) ? 1 : 0) : words[0];
  }

  function metadata(): Item {
    const { metadata } = event;
    const usable = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
    if (!usable) event.metadata = {};
    return event.metadata as Item;
  }

  function addProfile(name: unknown): void {
    const holder = metadata();
    holder.profiles = [...(Array.isArray(holder.profiles) ? holder.profiles : []), name];
  }

  function setProfiles(): void {
    const holder = metadata();
    const listed: unknown[] = Array.isArray(holder.profiles) ? holder.profiles : [];
    if (chance(0.3)) holder.profiles = listed.slice(1);
    else if (chance(0.1)) holder.profiles = pick(['cloud', null, {}, { cloud: true }]);
    else if (chance(0.7)) addProfile(pick(Object.keys(schema.profiles)));
    else addProfile(pick(['clowd', '', 5, null, ['cloud']]));
  }

  function setObservables(): void {
    if (chance(0.05)) {
      event.observables = pick([[], {}, [null, 'x', {}], [{ name: 5, type_id: 1 }]]);
      return;
    }
    const places = nodes().flatMap(({ item, path }) =>
      Object.keys(item).map((name) => ({ name: path === '' ? name : `${path}.${name}`, value: item[name] })),
    );
    const { name, value } = pick(places);
    const names = [
      name,
      name,
      name.replaceAll(/\[\d+\]/g, ''),
      name.replaceAll(/\[\d+\]/g, '[]'),
      name.replace('.', '[0].'),
    ];
    const broken = [
      `${name}.x`,
      `${name}[0]`,
      `x.${name}`,
      name.slice(1),
      'cloud.region',
      'unmapped.x',
      '',
      '[',
      'a[b.c].d',
    ];
    const chosen = pick(chance(0.7) ? names : broken);
    const observable: Item = { name: chosen, type_id: typeId(name) };
    if (chance(0.7)) observable.value = chance(0.6) ? value : pick(['other', 5, null, ['x'], '']);
    const listed: unknown[] = Array.isArray(event.observables) ? event.observables : [];
    event.observables = [...listed, structuredClone(observable)];
  }

  function typeId(path: string): unknown {
    if (chance(0.4)) return pick([0, 1, 2, 4, 10, 20, 21, 31, 48, 99, 'x', raw('2.0')]);
    try {
      return attributeAt(type.name, path.replaceAll(/\[\d+\]/g, '')).leaf.observable ?? 2;
    } catch {
      return 99;
    }
  }

  function setTimes(): void {
    const { item, definition } = pick(nodes());
    const times = Object.keys(definition.attributes).filter(
      (name) => definition.attributes[name]?.type === 'timestamp_t',
    );
    if (times.length === 0) return;
    const name = pick(times);
    item[name] = pick([0, 1_668_097_474, 1_668_097_474_000, 1_668_097_474_123, -5, raw('1668097474000000'), '2022']);
    if (!attributesUnder(definition, ['datetime']).has(`${name}_dt`)) return;
    item[`${name}_dt`] = pick([
      '2022-11-10T16:24:34Z',
      '2022-11-10T16:24:34.123Z',
      '2022-11-10T17:24:34+01:00',
      '2022-11-10T16:24:34',
      '2022-11-10 16:24:34',
      'yesterday',
    ]);
    if (chance(0.8)) addProfile('datetime');
  }

  function setIdentity(): void {
    const [target, name, values] = pick<[Item, string, unknown[]]>([
      [metadata(), 'version', VERSIONS],
      [event, 'type_uid', [300201, 300299, 0, raw('300201.0'), '300201']],
      [event, 'activity_id', [0, 1, 2, 99, 55]],
      [event, 'class_uid', [9999, '3002', null, raw('3002.0'), -1, 3001, 6003, 4003, raw('9223372036854775808')]],
    ]);
    if (name !== 'class_uid' || chance(0.3)) target[name] = pick(values);
  }
}
