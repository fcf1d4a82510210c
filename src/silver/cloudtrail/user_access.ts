import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { and, coalesce, equals, isNotNull, jsonField, matches, or, text, texts } from '../../sql/functions.ts';
import { call, type Sql, sql } from '../../sql/sql.ts';
import { userAccess } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { event, outcome, resources } from './event.ts';

const events = {
  'eks.amazonaws.com': { AssociateAccessPolicy: 1, DisassociateAccessPolicy: 2 },
  'kms.amazonaws.com': { CreateGrant: 1 },
  'lakeformation.amazonaws.com': { GrantPermissions: 1, RevokePermissions: 2 },
  'sso.amazonaws.com': { CreateAccountAssignment: 1, DeleteAccountAssignment: 2 },
} as const;

const param = (...path: string[]): Sql<string> => jsonField(bronze.raw, 'requestParameters', ...path);

/** Grants to one principal; a call that does not name it and what it may do is an API activity. */
export default defineMapping({
  source: cloudtrail,
  class: userAccess,
  events,
  only: or(
    and(isNotNull(param('granteePrincipal')), matches(param('operations'), '"')),
    and(isNotNull(param('principal', 'dataLakePrincipalIdentifier')), matches(param('permissions'), '"')),
    and(isNotNull(param('principalArn')), isNotNull(param('policyArn'))),
    and(equals(param('principalType'), 'USER'), isNotNull(param('permissionSetArn')), isNotNull(param('principalId'))),
  ),
  parse: (record) => ({
    params: parse(record.requestParameters, {
      granteePrincipal: text,
      operations: texts,
      permissionSetArn: text,
      permissions: texts,
      policyArn: text,
      principal: { dataLakePrincipalIdentifier: text },
      principalArn: text,
      principalId: text,
    }),
  }),
  columns: (record, { params }) => ({
    ...event(record),
    activity_id: activityOf(events),
    privileges: call((f) =>
      coalesce<readonly string[]>(
        params.operations,
        params.permissions,
        f.list([coalesce(params.policyArn, params.permissionSetArn)]) as Sql<readonly string[]>,
      ),
    ),
    resources: resources(record),
    status_id: outcome(record),
    'user.uid': coalesce(
      params.granteePrincipal,
      params.principal.dataLakePrincipalIdentifier,
      sql<string>`replace(replace(${params.principalArn}, '%3A', ':'), '%2F', '/')`,
      params.principalId,
    ),
  }),
});
