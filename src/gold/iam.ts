import { jsonField, matches } from '../sql/functions.ts';
import { type Condition, sql } from '../sql/sql.ts';

/** Whether a call of AWS IAM attaches the managed policy that allows everything, in any partition. */
export const givesAdministratorAccess: Condition = sql`api.service.name = 'iam.amazonaws.com' AND ${matches(
  jsonField(sql<string>`api.request.data`, 'policyArn'),
  '^arn:aws[a-z-]*:iam::aws:policy/AdministratorAccess$',
)}`;
