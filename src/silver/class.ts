import { schema } from '../../ocsf/schema.ts';
import type { Classes } from '../../ocsf/types.ts';
import type { Relation } from '../sql/sql.ts';
import type { ClassName } from './row.ts';

/** An OCSF event class as a silver table: `silver.authentication`. */
export interface OcsfClass<N extends ClassName = ClassName> extends Relation {
  readonly name: `silver.${N}`;
  readonly class: N;
  readonly uid: number;
  readonly caption: string;
  readonly type?: Classes[N];
}

/** The silver table of an OCSF class. */
export function defineClass<N extends ClassName>(name: N): OcsfClass<N> {
  const definition = schema.classes[name];
  if (!definition) throw new Error(`OCSF has no class "${name}"`);
  return { name: `silver.${name}`, class: name, uid: definition.uid, caption: definition.caption };
}

const EVENT_TABLES: ReadonlySet<string> = new Set([
  ...Object.keys(schema.classes).map((name) => `silver.${name}`),
  'gold.findings',
]);
/** Whether the rows of a table are OCSF events. */
export const holdsEvents = (table: string): boolean => EVENT_TABLES.has(table);

export const accountChange = defineClass('account_change');
export const apiActivity = defineClass('api_activity');
export const applicationLifecycle = defineClass('application_lifecycle');
export const authentication = defineClass('authentication');
export const baseEvent = defineClass('base_event');
export const datastoreActivity = defineClass('datastore_activity');
export const detectionFinding = defineClass('detection_finding');
export const dnsActivity = defineClass('dns_activity');
export const entityManagement = defineClass('entity_management');
export const fileHosting = defineClass('file_hosting');
export const groupManagement = defineClass('group_management');
export const networkActivity = defineClass('network_activity');
export const userAccess = defineClass('user_access');
