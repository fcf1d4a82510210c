import { isInteger, isMap, isSigned } from './json.ts';
import { listedProfiles, type Report, show, within } from './problem.ts';
import {
  type Attribute,
  type ClassType,
  type Definition,
  type ObservableStep,
  objectOf,
  observableTypeOf,
  own,
  primitiveOf,
  schema,
  stepsOf,
} from './schema.ts';

const PLACEHOLDER = /^(-|null|undefined|none|n\/a|nan)$/i;
const YEAR_2000 = 946_684_800_000;
const YEAR_2100 = 4_102_444_800_000;

/** Reports what OCSF allows and is still a mistake: placeholders, seconds for milliseconds, observables of nothing. */
export function lintEvent(event: Record<string, unknown>, type: ClassType, report: Report): void {
  lintProfiles(event, type, report);
  lintObservables(event, type, report);
  for (const [name, value] of Object.entries(event)) {
    if (name === 'unmapped' || name === 'raw_data' || name === 'observables') continue;
    lintValue(value, name, own(type.attributes, name), report);
  }
  lintTimes(event, report);
}

function lintProfiles(event: Record<string, unknown>, type: ClassType, report: Report): void {
  for (const [index, name] of listedProfiles(event).entries()) {
    if (typeof name !== 'string' || !Object.hasOwn(schema.profiles, name) || type.profiles?.includes(name)) continue;
    report('lint_profile_not_applicable', `metadata.profiles[${index}]`, `"${type.name}" has no profile "${name}"`);
  }
}

function lintObservables(event: Record<string, unknown>, type: ClassType, report: Report): void {
  const listed: unknown[] = Array.isArray(event.observables) ? event.observables : [];
  for (const [index, observable] of listed.entries()) {
    if (!isMap(observable) || typeof observable.name !== 'string') continue;
    const { name, value, type_id } = observable;
    const path = `observables[${index}]`;
    const found = valuesAt(stepsOf(name), event);
    if (found.length === 0) {
      report('lint_observable_dangling', `${path}.name`, `this event has no "${name}"`);
    } else if (value !== undefined && !found.some((each) => isMap(each) || plain(each) === plain(value))) {
      report('lint_observable_value_mismatch', `${path}.value`, `"${name}" is ${show(found)}, not ${show(value)}`);
    }
    const wanted = typeIdAt(stepsOf(name), type);
    if (wanted !== undefined && isInteger(type_id) && type_id !== 99 && Number(type_id) !== wanted) {
      report('lint_observable_type', `${path}.type_id`, `"${name}" is an observable of type ${wanted}, not ${type_id}`);
    }
  }
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join();
  return isMap(value) ? '{}' : String(value);
}

function valuesAt([step, ...rest]: ObservableStep[], value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (step === undefined) return Array.isArray(value) ? value : [value];
  if (Array.isArray(value)) return value.flatMap((each) => valuesAt([step, ...rest], each));
  if (!isMap(value)) return [];
  const next = own(value, step.name);
  const picked = Array.isArray(next) && /^\d+$/.test(step.index ?? '') ? next[Number(step.index)] : next;
  return valuesAt(rest, picked);
}

function typeIdAt([step, ...rest]: ObservableStep[], definition: Definition): number | undefined {
  const attribute = step && own(definition.attributes, step.name);
  if (attribute === undefined || rest.length === 0) return attribute && observableTypeOf(attribute);
  const object = objectOf(attribute);
  return object && typeIdAt(rest, object);
}

function lintValue(value: unknown, path: string, attribute: Attribute | undefined, report: Report): void {
  if (Array.isArray(value)) {
    if (value.length === 0) report('lint_empty_array', path, 'an empty array');
    for (const [index, part] of value.entries()) lintValue(part, `${path}[${index}]`, attribute, report);
  } else if (isMap(value)) {
    const attributes = (attribute && objectOf(attribute)?.attributes) ?? {};
    for (const [name, part] of Object.entries(value))
      lintValue(part, within(path, name), own(attributes, name), report);
  } else if (attribute !== undefined) {
    if (typeof value === 'string' && attribute.type !== 'json_t') lintText(value, path, report);
    if (isInteger(value)) lintInteger(value, attribute.type, path, report);
  }
}

function lintText(value: string, path: string, report: Report): void {
  if (value === '') report('lint_empty_string', path, 'an empty string');
  else if (PLACEHOLDER.test(value)) report('lint_placeholder', path, `${show(value)} stands for no value`);
  else if (value !== value.trim()) report('lint_untrimmed', path, `${show(value)} begins or ends with a space`);
}

function lintInteger(value: number | bigint, type: string, path: string, report: Report): void {
  const milliseconds = Number(value);
  if (type === 'timestamp_t' && milliseconds !== 0 && (milliseconds < YEAR_2000 || milliseconds > YEAR_2100)) {
    report('lint_timestamp_scale', path, `${value} is not in milliseconds between the years 2000 and 2100`);
  }
  if (primitiveOf(type) === 'integer_t' && !isSigned(32, value)) {
    report('lint_integer_exceeds_int32', path, `${value} needs more than 32 bits`);
  }
  if (type === 'long_t' && !isSigned(64, value)) {
    report('lint_long_exceeds_int64', path, `${value} needs more than 64 bits`);
  }
}

function lintTimes(event: Record<string, unknown>, report: Report): void {
  const { start_time, end_time } = event;
  if (isInteger(start_time) && isInteger(end_time) && end_time < start_time) {
    report('lint_end_before_start', 'end_time', `end_time ${end_time} is before start_time ${start_time}`);
  }
  lintDateTimes(event, '', report);
}

function lintDateTimes(item: Record<string, unknown>, path: string, report: Report): void {
  for (const [name, value] of Object.entries(item)) {
    if (isMap(value)) lintDateTimes(value, within(path, name), report);
    const time = own(item, name.replace(/_dt$/, ''));
    if (!name.endsWith('_dt') || typeof value !== 'string' || !isInteger(time)) continue;
    const milliseconds = Date.parse(/([zZ]|[+-]\d\d:\d\d)$/.test(value) ? value : `${value}Z`);
    if (Number.isFinite(milliseconds) && milliseconds !== Number(time)) {
      report('lint_dt_mismatch', within(path, name), `${show(value)} is not the instant ${time}`);
    }
  }
}
