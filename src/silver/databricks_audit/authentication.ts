import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, email, isIn, lookup, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { authentication } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { event, params, principal, principalType } from './event.ts';

const events = {
  accounts: {
    aadBrowserLogin: 1,
    aadTokenLogin: 1,
    accountInHouseOAuthClientAuthentication: 1,
    accountLoginCodeAuthentication: 1,
    certLogin: 1,
    jwtLogin: 1,
    login: 1,
    mfaLogin: 1,
    oidcBrowserLogin: 1,
    passwordVerifyAuthentication: 1,
    samlLogin: 1,
    tokenLogin: 1,
    workspaceLoginCodeAuthentication: 1,
    workspaceInHouseOAuthClientAuthentication: 1,
    IpAccessDenied: 1,
    accountIpAclsValidationFailed: 1,
    logout: 2,
    mintOAuthAuthorizationCode: 3,
    mintOAuthToken: 3,
    oidcTokenAuthorization: 3,
  },
  ssh: { login: 1, logout: 2 },
} as const;

const REFUSED = ['IpAccessDenied', 'accountIpAclsValidationFailed'];

/** Sign-ins, refused addresses and tokens handed out. */
export default defineMapping({
  source: databricksAudit,
  class: authentication,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      user: text,
      userName: text,
      email: text,
      client_id: text,
      authentication_method: text,
      authenticationMethod: text,
      tokenId: text,
      instanceId: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const who = named('subject', coalesce(p.user, p.userName, p.email, principal(record), p.client_id));
    const shared = event(record);
    return {
      ...shared,
      activity_id: activityOf(events),
      activity_name: bronze.action,
      auth_protocol_id: lookup(bronze.action, {
        samlLogin: 5,
        oidcBrowserLogin: 4,
        aadBrowserLogin: 4,
        oidcTokenAuthorization: 6,
        mintOAuthToken: 6,
        mintOAuthAuthorizationCode: 6,
      }),
      'dst_endpoint.instance_uid': p.instanceId,
      'dst_endpoint.uid': shared['cloud.org.uid'],
      'service.name': literal('Databricks'),
      'session.credential_uid': p.tokenId,
      status_id: when([[isIn(bronze.action, REFUSED), literal(2)]], shared.status_id),
      'user.email_addr': email(who),
      'user.name': coalesce(who, literal('unknown')),
      'user.type_id': principalType(who),
      'user.uid': who,
    };
  },
});
