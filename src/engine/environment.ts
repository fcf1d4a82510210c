import { resolve } from 'node:path';
import { UserError } from '../errors.ts';

/** The environment variables of a service principal, unless the manifest names others. */
export const CLIENT_ID = { env: 'DATABRICKS_CLIENT_ID' };
export const CLIENT_SECRET = { env: 'DATABRICKS_CLIENT_SECRET' };

/** Text, or the environment variable that holds it. */
export type Setting = string | { readonly env: string };

/** A setting's text; throws a `UserError` that names the environment variable where that is not set. */
export function settingOf(name: string, setting: Setting): string {
  const value = typeof setting === 'string' ? setting : process.env[setting.env];
  if (value) return value;
  throw new UserError(
    `engine.${name} is to come from the environment variable ${typeof setting === 'string' ? '' : setting.env}, which is not set.`,
  );
}

/** The path of a setting that names a file, by the manifest's folder. */
export const fileOf = (name: string, setting: Setting | undefined, folder: string): string | undefined =>
  setting === undefined ? undefined : resolve(folder, settingOf(name, setting));

/** Seconds of a duration such as `90s`, `30m` or `2h`. */
export function secondsOf(duration: string): number {
  const [, amount = '', unit = ''] = /^(\d+)([smh])$/.exec(duration) ?? [];
  return Number(amount) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
}
