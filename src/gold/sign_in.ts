import { equals, isIn, not } from '../sql/functions.ts';
import { type Condition, sql } from '../sql/sql.ts';

const operation = sql<string>`api.operation`;
const service = sql<string>`api.service.name`;

/** A sign-in that failed for what was presented: neither the address was refused nor was a role asked of STS. */
export const failedSignIn: Condition = sql`activity_id = 1 AND status_id = 2
  AND ${not(isIn(operation, ['IpAccessDenied', 'accountIpAclsValidationFailed']))} AND ${not(equals(service, 'sts.amazonaws.com'))}`;
