import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { and, coalesce, equals, isIn, isNotNull, lookup, matches, nullIf, text, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { authentication } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { event, failed, identity } from './event.ts';

const events = {
  'signin.amazonaws.com': {
    ConsoleLogin: 1,
    CheckMfa: 99,
    CredentialChallenge: 99,
    CredentialVerification: 99,
    UserAuthentication: 1,
    ExternalIdPDirectoryLogin: 1,
    SwitchRole: 7,
    ExitRole: 7,
    RenewRole: 99,
    GetSigninToken: 3,
    Logout: 2,
    SignOut: 2,
  },
  'sso.amazonaws.com': { Authenticate: 1, Federate: 1, Logout: 2 },
  'sts.amazonaws.com': {
    AssumeRole: 1,
    AssumeRoleWithSAML: 1,
    AssumeRoleWithWebIdentity: 1,
    AssumeRoot: 1,
    GetSessionToken: 3,
    GetFederationToken: 3,
  },
} as const;

/** Sign-ins to the console and Identity Center, and sessions handed out by STS. */
export default defineMapping({
  source: cloudtrail,
  class: authentication,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      roleArn: text,
      roleSessionName: text,
      principalTags: text,
      name: text,
      targetPrincipal: text,
    }),
    result: parse(record.responseElements, {
      ConsoleLogin: text,
      CheckMfa: text,
      SwitchRole: text,
      ExitRole: text,
      RenewRole: text,
      GetSigninToken: text,
      assumedRoleUser: { arn: text, assumedRoleId: text },
      credentials: { accessKeyId: text },
      federatedUser: { arn: text, federatedUserId: text },
    }),
    details: parse(record.serviceEventDetails, {
      CredentialChallenge: text,
      CredentialVerification: text,
      UserAuthentication: text,
      ExternalIdPDirectoryLogin: text,
    }),
    additional: parse(record.additionalEventData, {
      MFAUsed: text,
      LoginTo: text,
      UserName: text,
      CredentialType: text,
    }),
  }),
  columns: (record, { params, result, details, additional }) => {
    const who = identity(record);
    const outcome = coalesce(
      result.ConsoleLogin,
      result.CheckMfa,
      result.SwitchRole,
      result.ExitRole,
      result.RenewRole,
      result.GetSigninToken,
      details.CredentialChallenge,
      details.CredentialVerification,
      details.UserAuthentication,
      details.ExternalIdPDirectoryLogin,
    );
    return {
      ...event(record),
      activity_id: activityOf(events),
      activity_name: record.eventName,
      auth_protocol_id: lookup(record.eventName, { AssumeRoleWithSAML: 5, AssumeRoleWithWebIdentity: 4 }),
      'dst_endpoint.svc_name': coalesce(additional.LoginTo, record.eventSource),
      is_mfa: when([
        [equals(additional.MFAUsed, 'Yes'), literal(true)],
        [equals(additional.MFAUsed, 'No'), literal(false)],
      ]),
      'session.credential_uid': result.credentials.accessKeyId,
      'session.uid': coalesce(result.assumedRoleUser.arn, result.federatedUser.arn),
      'service.name': record.eventSource,
      status_id: when(
        [
          [isIn(outcome, ['Success']), literal(1)],
          [isIn(outcome, ['Failure']), literal(2)],
          [failed(record), literal(2)],
          [and(isNotNull(outcome)), literal(0)],
          [matches(record.eventName, '^(ConsoleLogin|CheckMfa)$'), literal(0)],
        ],
        literal(1),
      ),
      'user.account.uid': record.userIdentity.accountId,
      'user.name': coalesce(
        params.roleSessionName,
        params.name,
        who.name,
        nullIf(additional.UserName, 'HIDDEN_DUE_TO_SECURITY_REASONS'),
        record.userIdentity.invokedBy,
        literal('unknown'),
      ),
      'user.uid': coalesce(params.roleArn, who.uid),
    };
  },
});
