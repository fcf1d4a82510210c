import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, equals, isIn, lookup, matches, text, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { authentication } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { event, identity, outcome, refused } from './event.ts';

/** Sign-ins whose outcome stands under their own name in the response or the event details. */
const SAYING = [
  'Authenticate',
  'CheckMfa',
  'ConsoleLogin',
  'CredentialChallenge',
  'CredentialVerification',
  'ExitRole',
  'ExternalIdPDirectoryLogin',
  'GetSigninToken',
  'RenewRole',
  'SwitchRole',
  'UserAuthentication',
] as const;
const said = Object.fromEntries(SAYING.map((name) => [name, text])) as Record<(typeof SAYING)[number], typeof text>;

const events = {
  'eks-auth.amazonaws.com': { AssumeRoleForPodIdentity: 1 },
  'rolesanywhere.amazonaws.com': { CreateSession: 1 },
  'signin.amazonaws.com': {
    Authenticate: 1,
    AuthorizeOAuth2Access: 3,
    CheckMfa: 99,
    ConsoleLogin: 1,
    CreateOAuth2Token: 3,
    CredentialChallenge: 99,
    CredentialVerification: 99,
    ExitRole: 7,
    ExternalIdPDirectoryLogin: 1,
    Federate: 1,
    GetSigninToken: 3,
    Logout: 2,
    RenewRole: 99,
    SignOut: 2,
    SwitchRole: 7,
    UserAuthentication: 1,
  },
  'sso-oauth.amazonaws.com': { CreateToken: 3, CreateTokenWithIAM: 3 },
  'sso.amazonaws.com': { Authenticate: 1, CreateToken: 3, Federate: 1, GetRoleCredentials: 3, Logout: 2 },
  'sts.amazonaws.com': {
    AssumeRole: 1,
    AssumeRoleWithSAML: 1,
    AssumeRoleWithWebIdentity: 1,
    AssumeRoot: 1,
    GetFederationToken: 3,
    GetSessionToken: 3,
  },
} as const;

/** Sign-ins to the console and Identity Center, and sessions handed out by STS and its like. */
export default defineMapping({
  source: cloudtrail,
  class: authentication,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      name: text,
      roleArn: text,
      roleSessionName: text,
      targetPrincipal: text,
    }),
    result: parse(record.responseElements, {
      ...said,
      assumedRoleUser: { arn: text },
      credentials: { accessKeyId: text },
      federatedUser: { arn: text },
    }),
    details: parse(record.serviceEventDetails, said),
    additional: parse(record.additionalEventData, {
      CredentialType: text,
      LoginTo: text,
      MFAUsed: text,
      UserName: text,
    }),
  }),
  columns: (record, { params, result, details, additional }) => {
    const who = identity(record);
    const verdict = coalesce(...SAYING.flatMap((name) => [result[name], details[name]]));
    const role = coalesce(
      params.roleArn,
      params.targetPrincipal,
      when([[matches(record.eventName, '^AssumeRo'), refused(record).arn]]),
    );
    return {
      ...event(record),
      account_switch_type: record.eventName,
      account_switch_type_id: when([[isIn(record.eventName, ['SwitchRole', 'ExitRole']), literal(99)]]),
      activity_id: activityOf(events),
      auth_protocol_id: lookup(record.eventName, {
        AssumeRoleWithSAML: 5,
        AssumeRoleWithWebIdentity: 4,
        CreateOAuth2Token: 6,
        CreateToken: 6,
      }),
      'dst_endpoint.svc_name': coalesce(additional.LoginTo, record.eventSource),
      is_mfa: when([
        [equals(additional.MFAUsed, 'Yes'), literal(true)],
        [equals(additional.MFAUsed, 'No'), literal(false)],
        [matches(additional.CredentialType, 'TOTP|WEBAUTHN|MFA|EMAIL_OTP'), literal(true)],
      ]),
      'session.credential_uid': result.credentials.accessKeyId,
      'session.uid': coalesce(result.assumedRoleUser.arn, result.federatedUser.arn),
      'service.name': record.eventSource,
      status_id: outcome(record, verdict, isIn(record.eventName, SAYING)),
      'user.account.uid': record.userIdentity.accountId,
      'user.name': coalesce(
        params.roleSessionName,
        params.name,
        who.name,
        additional.UserName,
        record.userIdentity.invokedBy,
        literal('unknown'),
      ),
      'user.uid': coalesce(role, who.uid),
    };
  },
});
