import { and, equals, jsonField, lower, matches } from '../sql/functions.ts';
import { type Condition, sql } from '../sql/sql.ts';
import type { ExampleEvent } from './detection.ts';

const data = sql<string>`api.request.data`;
const values = lower(jsonField(data, 'workspaceConfValues'));

/** Whether an API call switches a Databricks workspace setting off; keys and values may be lists with commas. */
export const switchesOff = (key: string): Condition =>
  and(
    equals(sql<string>`api.service.name`, 'workspace'),
    equals(sql<string>`api.operation`, 'workspaceConfEdit'),
    sql`status_id <> 2`,
    matches(jsonField(data, 'workspaceConfKeys'), `(^|[^A-Za-z])${key}([^A-Za-z]|$)`),
    matches(values, '(^|[^a-z])false([^a-z]|$)'),
  );

/** An event of the audit log that sets workspace settings. */
export const settingEdit = (workspaceConfKeys: string, workspaceConfValues: string): ExampleEvent => ({
  'actor.user.name': 'admin@example.com',
  'api.operation': 'workspaceConfEdit',
  'api.request.data': JSON.stringify({ workspaceConfKeys, workspaceConfValues }),
  'api.service.name': 'workspace',
  'metadata.product.name': 'Databricks',
  status_id: 1,
});
