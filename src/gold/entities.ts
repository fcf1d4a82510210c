import type { ClassName } from '../silver/row.ts';
import { call, identifier, type Sql, sql } from '../sql/sql.ts';
import type { Entity } from './detection.ts';

type Entities = Readonly<Partial<Record<Entity, Sql>>>;

const actor: Entities = {
  user_name: sql`actor.user.name`,
  user_uid: sql`actor.user.uid`,
  src_ip: sql`src_endpoint.ip`,
  instance_uid: sql`src_endpoint.instance_uid`,
  account_uid: sql`cloud.account.uid`,
  operation: sql`api.operation`,
};
const firstResource = call((f) => sql`${f.element(sql`resources`, 1)}.uid`);
/** The workspace or AWS account in which it happened. */
const place = sql`coalesce(cloud.org.uid, cloud.account.uid)`;

const byClass: Readonly<Partial<Record<ClassName, Entities>>> = {
  account_change: {
    ...actor,
    resource_name: sql`${identifier('user')}.name`,
    resource_uid: sql`${identifier('user')}.uid`,
  },
  api_activity: { ...actor, resource_uid: sql`coalesce(${firstResource}, ${place})` },
  authentication: {
    ...actor,
    user_name: sql`${identifier('user')}.name`,
    user_uid: sql`${identifier('user')}.uid`,
    resource_uid: place,
  },
  detection_finding: {
    instance_uid: sql`device.instance_uid`,
    account_uid: sql`cloud.account.uid`,
    resource_name: sql`finding_info.title`,
  },
  group_management: {
    ...actor,
    resource_name: sql`${identifier('group')}.name`,
    resource_uid: sql`${identifier('group')}.uid`,
  },
  network_activity: {
    src_ip: sql`src_endpoint.ip`,
    dst_ip: sql`dst_endpoint.ip`,
    instance_uid: sql`network_observation_point.instance_uid`,
    interface_uid: sql`network_observation_point.interface_uid`,
    resource_uid: sql`network_observation_point.interface_uid`,
    account_uid: sql`cloud.account.uid`,
  },
};

/** Whom and what an event of a class concerns, as SQL over the class's columns. */
export const entitiesOf = (name: ClassName): Entities => byClass[name] ?? {};
