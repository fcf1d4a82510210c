import { isMap } from './json.ts';

/** The level of every kind of problem, in the words of the official validator; `lint_` marks the checks that it lacks. */
export const LEVELS = {
  event_wrong_type: 'error',
  class_uid_unknown: 'error',
  class_deprecated: 'warning',
  profile_unknown: 'error',
  version_earlier: 'warning',
  version_incompatible_initial_development: 'error',
  version_incompatible_later: 'error',
  version_incompatible_prerelease: 'error',
  type_uid_incorrect: 'error',
  object_deprecated: 'warning',
  attribute_required_missing: 'error',
  attribute_unknown: 'error',
  attribute_wrong_type: 'error',
  attribute_deprecated: 'warning',
  attribute_value_exceeds_max_len: 'error',
  attribute_value_exceeds_range: 'error',
  attribute_value_regex_not_matched: 'warning',
  attribute_enum_value_unknown: 'error',
  attribute_enum_value_deprecated: 'warning',
  attribute_enum_sibling_incorrect: 'warning',
  attribute_enum_sibling_suspicious_other: 'warning',
  attribute_enum_array_value_unknown: 'error',
  attribute_enum_array_value_deprecated: 'warning',
  attribute_enum_array_sibling_missing: 'error',
  attribute_enum_array_sibling_incorrect: 'error',
  constraint_failed: 'error',
  observable_name_invalid_reference: 'error',
  lint_profile_not_applicable: 'warning',
  lint_observable_dangling: 'warning',
  lint_observable_value_mismatch: 'warning',
  lint_observable_type: 'warning',
  lint_empty_array: 'warning',
  lint_empty_string: 'warning',
  lint_placeholder: 'warning',
  lint_untrimmed: 'warning',
  lint_timestamp_scale: 'warning',
  lint_integer_exceeds_int32: 'warning',
  lint_long_exceeds_int64: 'warning',
  lint_end_before_start: 'warning',
  lint_dt_mismatch: 'warning',
} as const satisfies Record<string, 'error' | 'warning'>;

/** What can be wrong with an event. */
export type Kind = keyof typeof LEVELS;

/** One thing wrong with an event; `path` is dotted with array indices and empty for the event itself. */
export interface Problem {
  kind: Kind;
  level: 'error' | 'warning';
  path: string;
  message: string;
}

/** Takes a finding; its level follows from its kind. */
export type Report = (kind: Kind, path: string, message: string) => void;

/** The path of a member. */
export function within(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** A value as a message quotes it, cut at 160 characters. */
export function show(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}` : part)) ?? 'nothing';
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

/** What an event lists in metadata.profiles, be it profiles or not. */
export function listedProfiles({ metadata }: Record<string, unknown>): unknown[] {
  return isMap(metadata) && Array.isArray(metadata.profiles) ? metadata.profiles : [];
}
