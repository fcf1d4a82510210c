import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, equals, isIn, lookup, nullIf, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { authentication } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, origin, params, principal, userOf, workspace } from './event.ts';

const events = {
  accounts: {
    IpAccessDenied: 1,
    aadBrowserLogin: 1,
    aadTokenLogin: 1,
    accountInHouseOAuthClientAuthentication: 1,
    accountIpAclsValidationFailed: 1,
    accountLoginCodeAuthentication: 1,
    certLogin: 1,
    jwtLogin: 1,
    login: 1,
    logout: 2,
    mfaLogin: 1,
    mintOAuthAuthorizationCode: 3,
    mintOAuthToken: 3,
    oidcBrowserLogin: 1,
    oidcTokenAuthorization: 3,
    passwordVerifyAuthentication: 1,
    samlLogin: 1,
    tokenLogin: 1,
    workspaceInHouseOAuthClientAuthentication: 1,
    workspaceLoginCodeAuthentication: 1,
  },
  ssh: { login: 1, logout: 2 },
  workspace: { workspaceInHouseOAuthClientAuthentication: 1 },
} as const;

const REFUSED = ['IpAccessDenied', 'accountIpAclsValidationFailed'];

/** How each way to sign in is called by OCSF; 99 where it has no word of its own. */
const PROTOCOLS = {
  aadBrowserLogin: 4,
  aadTokenLogin: 6,
  accountInHouseOAuthClientAuthentication: 6,
  certLogin: 99,
  jwtLogin: 99,
  mintOAuthAuthorizationCode: 6,
  mintOAuthToken: 6,
  oidcBrowserLogin: 4,
  oidcTokenAuthorization: 6,
  samlLogin: 5,
  tokenLogin: 99,
  workspaceInHouseOAuthClientAuthentication: 6,
} as const;

/** Sign-ins, refused addresses and tokens handed out. */
export default defineMapping({
  source: databricksAudit,
  class: authentication,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      authenticationMethod: text,
      authentication_method: text,
      client_id: text,
      email: text,
      instanceId: text,
      tokenId: text,
      user: text,
      userId: text,
      userName: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const signsIn = nullIf(coalesce(p.user, p.userName, p.email), 'unknown');
    const who = named('subject', coalesce(signsIn, principal(record), p.client_id));
    const user = userOf(who);
    const caller = actor(record);
    const shared = event(record);
    const refused = isIn(bronze.action, REFUSED);
    return {
      ...caller,
      ...shared,
      ...origin(record),
      action_id: when([[refused, literal(2)]], shared.action_id),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'actor.app_uid': coalesce(caller['actor.app_uid'], p.client_id),
      auth_protocol: coalesce(p.authentication_method, p.authenticationMethod, bronze.action),
      auth_protocol_id: lookup(bronze.action, PROTOCOLS),
      disposition_id: when([[refused, literal(2)]], shared.disposition_id),
      'dst_endpoint.instance_uid': p.instanceId,
      'dst_endpoint.uid': workspace(record),
      is_mfa: when([[equals(bronze.action, 'mfaLogin'), literal(true)]]),
      'service.name': literal('Databricks'),
      'session.credential_uid': p.tokenId,
      status_id: when([[refused, literal(2)]], shared.status_id),
      'user.email_addr': user.email_addr,
      'user.name': coalesce(who, literal('unknown')),
      'user.type_id': user.type_id,
      'user.uid': who,
      'user.uid_alt': p.userId,
    };
  },
});
