import { isFloat, isInteger, isMap, isSigned } from './json.ts';
import { lintEvent } from './lint.ts';
import { type Kind, LEVELS, listedProfiles, type Problem, type Report, show, within } from './problem.ts';
import {
  type Attribute,
  attributesUnder,
  type ClassType,
  type Definition,
  type Deprecation,
  type ObservableStep,
  objectOf,
  own,
  schema,
  stepsOf,
} from './schema.ts';

export type { Kind, Problem } from './problem.ts';

interface Place {
  profiles: string[];
  report: Report;
  path: string;
}

interface Word {
  value: unknown;
  path: string;
}

const classByUid = new Map(Object.values(schema.classes).map((type) => [type.uid, type]));

const patterns = new Map(
  Object.entries(schema.types).flatMap(([name, { regex }]) => (regex === undefined ? [] : [[name, new RegExp(regex)]])),
);

/** Everything wrong with an event that `parseJson` read, by the rules of github.com/ocsf/ocsf-server; nulls and empty objects count as absent. */
export function validateEvent(event: unknown, options: { lint?: boolean } = {}): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (kind, path, message) => problems.push({ kind, level: LEVELS[kind], path, message });
  if (!isMap(event)) {
    report('event_wrong_type', '', `an event is an object, not ${describe(event)}`);
    return problems;
  }
  const stripped = withoutNulls(event);
  const type = classOf(stripped, report);
  if (type === undefined) return problems;
  const listed = listedProfiles(stripped);
  const profiles = listed.filter((name) => typeof name === 'string');
  if (type.deprecated) report('class_deprecated', 'class_uid', deprecation(`class "${type.name}"`, type.deprecated));
  checkProfiles(listed, report);
  checkItem(stripped, type, { profiles, report, path: '' });
  checkVersion(stripped, report);
  checkTypeUid(stripped, report);
  checkObservables(stripped.observables, type, profiles, report);
  if (options.lint) lintEvent(stripped, type, report);
  return problems;
}

function classOf(event: Record<string, unknown>, report: Report): ClassType | undefined {
  const uid = event.class_uid;
  if (uid === undefined) {
    report('attribute_required_missing', 'class_uid', 'an event needs a class_uid');
  } else if (!isSigned(64, uid)) {
    report('attribute_wrong_type', 'class_uid', `class_uid is an integer_t, not ${describe(uid)}`);
  } else {
    const type = classByUid.get(Number(uid));
    if (type === undefined) report('class_uid_unknown', 'class_uid', `no class that this project uses has uid ${uid}`);
    return type;
  }
  return undefined;
}

function checkProfiles(listed: unknown[], report: Report): void {
  for (const [index, name] of listed.entries()) {
    if (typeof name === 'string' && !Object.hasOwn(schema.profiles, name)) {
      report('profile_unknown', `metadata.profiles[${index}]`, `OCSF has no profile "${name}"`);
    }
  }
}

function checkItem(item: Record<string, unknown>, definition: Definition, place: Place): void {
  const attributes = attributesUnder(definition, place.profiles);
  for (const [name, attribute] of attributes) {
    const at = { ...place, path: within(place.path, name) };
    const value = own(item, name);
    if (value !== undefined) {
      checkAttribute(value, attribute, at);
      const { sibling = '' } = attribute;
      if (attribute.enum)
        checkEnum(value, attribute, at, { value: own(item, sibling), path: within(place.path, sibling) });
    } else if (attribute.requirement === 'required') {
      place.report('attribute_required_missing', at.path, `"${definition.name}" requires "${name}"`);
    }
  }
  for (const name of attributes.size === 0 ? [] : Object.keys(item)) {
    if (attributes.has(name)) continue;
    const profiles = own(definition.attributes, name)?.profiles;
    const remedy = profiles ? ` unless metadata.profiles has ${profiles.join(' or ')}` : '';
    place.report('attribute_unknown', within(place.path, name), `"${definition.name}" has no "${name}"${remedy}`);
  }
  checkConstraints(item, definition, place);
}

function checkAttribute(value: unknown, attribute: Attribute, place: Place): void {
  if (attribute.deprecated) {
    place.report('attribute_deprecated', place.path, deprecation('this attribute', attribute.deprecated));
  }
  if (!attribute.is_array) checkValue(value, attribute, place);
  else if (!Array.isArray(value)) wrongType(value, `array of ${attribute.type}`, place);
  else for (const [index, part] of value.entries()) checkValue(part, attribute, element(place, index));
}

function checkValue(value: unknown, attribute: Attribute, place: Place): void {
  const object = objectOf(attribute);
  if (object === undefined) checkPlain(value, attribute.type, place);
  else if (!isMap(value)) wrongType(value, `object "${object.name}"`, place);
  else {
    if (object.deprecated) {
      place.report('object_deprecated', place.path, deprecation(`object "${object.name}"`, object.deprecated));
    }
    checkItem(value, object, place);
  }
}

const FITS: Record<string, (value: unknown) => boolean> = {
  json_t: () => true,
  boolean_t: (value) => typeof value === 'boolean',
  float_t: isFloat,
  integer_t: (value) => isSigned(64, value),
  long_t: (value) => isSigned(128, value),
  string_t: (value) => typeof value === 'string',
};

function checkPlain(value: unknown, type: string, place: Place): void {
  const { type: primitive = type, max_len, range } = schema.types[type] ?? {};
  const { path, report } = place;
  if (!FITS[primitive]?.(value)) {
    wrongType(value, type, place);
    return;
  }
  if (typeof value === 'string' && max_len !== undefined && [...value].length > max_len) {
    report('attribute_value_exceeds_max_len', path, `longer than the ${max_len} characters of ${type}`);
  }
  if (typeof value === 'string' && patterns.get(type)?.test(value) === false) {
    report('attribute_value_regex_not_matched', path, `${show(value)} does not look like ${type}`);
  }
  if (range && isInteger(value) && (value < range[0] || value > range[1])) {
    report('attribute_value_exceeds_range', path, `${value} is not in the range of ${type}, ${range.join(' to ')}`);
  }
}

function wrongType(value: unknown, wanted: string, { path, report }: Place): void {
  report('attribute_wrong_type', path, `expected ${wanted}, got ${describe(value)}`);
}

function checkEnum(value: unknown, attribute: Attribute, place: Place, word: Word): void {
  const { path, report } = place;
  const caption = captionOf(value, attribute);
  if (attribute.is_array) {
    for (const [index, part] of Array.isArray(value) ? value.entries() : []) {
      checkEnumPart(part, attribute, element(place, index), wordAt(word, index));
    }
  } else if (caption === undefined) {
    report('attribute_enum_value_unknown', path, unknownValue(value, attribute));
  } else {
    if (value === 99 && word.value === caption) {
      report('attribute_enum_sibling_suspicious_other', word.path, `99 wants the source's own word, not "${caption}"`);
    } else if (value !== 99 && word.value !== undefined && word.value !== caption) {
      report('attribute_enum_sibling_incorrect', word.path, unlike(value, caption, word));
    }
    const deprecated = own(attribute.enum_deprecated ?? {}, String(value));
    if (deprecated) report('attribute_enum_value_deprecated', path, deprecation(show(value), deprecated));
  }
}

function checkEnumPart(value: unknown, attribute: Attribute, { path, report }: Place, word: Word): void {
  const caption = captionOf(value, attribute);
  if (caption === undefined) {
    report('attribute_enum_array_value_unknown', path, unknownValue(value, attribute));
  } else {
    if (value !== 99 && word.value === null) {
      report('attribute_enum_array_sibling_missing', word.path, unlike(value, caption, word));
    } else if (value !== 99 && word.value !== undefined && word.value !== caption) {
      report('attribute_enum_array_sibling_incorrect', word.path, unlike(value, caption, word));
    }
    const deprecated = own(attribute.enum_deprecated ?? {}, String(value));
    if (deprecated) report('attribute_enum_array_value_deprecated', path, deprecation(show(value), deprecated));
  }
}

function wordAt({ value, path }: Word, index: number): Word {
  const absent = value === undefined ? undefined : null;
  return { value: Array.isArray(value) ? (value[index] ?? null) : absent, path: `${path}[${index}]` };
}

function unlike(value: unknown, caption: string, word: Word): string {
  return `${show(value)} is "${caption}", not ${show(word.value)}`;
}

function captionOf(value: unknown, { enum: captions = {} }: Attribute): string | undefined {
  return typeof value === 'object' ? undefined : own(captions, String(value));
}

function unknownValue(value: unknown, { enum: captions = {} }: Attribute): string {
  const known = Object.entries(captions)
    .slice(0, 20)
    .map(([key, caption]) => `${key} (${caption})`);
  return `${show(value)} is not one of ${known.join(', ')}${Object.keys(captions).length > 20 ? ', …' : ''}`;
}

function checkConstraints(item: Record<string, unknown>, { name, constraints = {} }: Definition, place: Place): void {
  const { at_least_one, just_one } = constraints;
  const present = (names: string[]) => names.filter((each) => Object.hasOwn(item, each)).length;
  if (at_least_one && present(at_least_one) === 0) {
    place.report('constraint_failed', place.path, `"${name}" needs at least one of ${at_least_one.join(', ')}`);
  }
  if (just_one && present(just_one) !== 1) {
    place.report('constraint_failed', place.path, `"${name}" needs exactly one of ${just_one.join(', ')}`);
  }
}

function checkVersion({ metadata }: Record<string, unknown>, report: Report): void {
  const version = isMap(metadata) ? metadata.version : undefined;
  if (typeof version !== 'string' || version === schema.version) return;
  const message = `the event has version "${version}", the schema ${schema.version}`;
  report(versionKind(version), 'metadata.version', message);
}

function versionKind(version: string): Kind {
  const [, ...parts] = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-.+)?$/.exec(version) ?? [];
  if (parts.length === 0) return 'version_earlier';
  const order = compareVersions(parts.slice(0, 3).map(Number), schema.version.split('.').map(Number));
  if (order > 0) return 'version_incompatible_later';
  if (parts[0] === '0') return 'version_incompatible_initial_development';
  return parts[3] === undefined ? 'version_earlier' : 'version_incompatible_prerelease';
}

function compareVersions(a: number[], b: number[]): number {
  const index = a.findIndex((part, i) => part !== b[i]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}

function checkTypeUid({ class_uid, activity_id, type_uid }: Record<string, unknown>, report: Report): void {
  if (!isInteger(class_uid) || !isInteger(activity_id) || !isInteger(type_uid)) return;
  const wanted = Number(class_uid) * 100 + Number(activity_id);
  if (Number(type_uid) !== wanted) {
    report('type_uid_incorrect', 'type_uid', `${type_uid} is not class_uid * 100 + activity_id = ${wanted}`);
  }
}

function checkObservables(observables: unknown, type: ClassType, profiles: string[], report: Report): void {
  const listed: unknown[] = Array.isArray(observables) ? observables : [];
  for (const [index, observable] of listed.entries()) {
    if (!isMap(observable) || typeof observable.name !== 'string') continue;
    if (resolves(stepsOf(observable.name), type, profiles)) continue;
    const message = `"${type.name}" has no "${observable.name}" under profiles [${profiles.join(', ')}]`;
    report('observable_name_invalid_reference', `observables[${index}].name`, message);
  }
}

function resolves([step, ...rest]: ObservableStep[], definition: Definition, profiles: string[]): boolean {
  const attribute = step && attributesUnder(definition, profiles).get(step.name);
  if (attribute === undefined || rest.length === 0) return attribute !== undefined;
  if (step?.index !== undefined && !attribute.is_array) return false;
  const object = objectOf(attribute);
  return object !== undefined && resolves(rest, object, profiles);
}

function element(place: Place, index: number): Place {
  return { ...place, path: `${place.path}[${index}]` };
}

function deprecation(what: string, { since }: Deprecation): string {
  return `${what} is deprecated since ${since}`;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (isMap(value)) return 'an object';
  if (isFloat(value)) return `float ${value}`;
  return isInteger(value) ? `integer ${value}` : `${typeof value} ${show(value)}`;
}

function withoutNulls(item: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(item).map(([name, value]) => [name, strip(value)] as const);
  return Object.fromEntries(
    entries.filter(
      ([, value]) => value !== null && value !== undefined && !(isMap(value) && Object.keys(value).length === 0),
    ),
  );
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip);
  return isMap(value) ? withoutNulls(value) : value;
}
