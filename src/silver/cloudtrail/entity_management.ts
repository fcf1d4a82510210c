import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, isNull, lookup, matches, regexExtract, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { entityManagement } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { event, outcome, refused } from './event.ts';

const events = {
  'iam.amazonaws.com': {
    AddClientIDToOpenIDConnectProvider: 3,
    AddRoleToInstanceProfile: 3,
    CreateAccountAlias: 1,
    CreateInstanceProfile: 1,
    CreateOpenIDConnectProvider: 1,
    CreatePolicy: 1,
    CreatePolicyVersion: 3,
    CreateSAMLProvider: 1,
    DeleteAccountAlias: 4,
    DeleteAccountPasswordPolicy: 4,
    DeleteInstanceProfile: 4,
    DeleteOpenIDConnectProvider: 4,
    DeletePolicy: 4,
    DeletePolicyVersion: 3,
    DeleteSAMLProvider: 4,
    DeleteServerCertificate: 4,
    RemoveClientIDFromOpenIDConnectProvider: 3,
    RemoveRoleFromInstanceProfile: 3,
    SetDefaultPolicyVersion: 3,
    SetSecurityTokenServicePreferences: 3,
    TagInstanceProfile: 3,
    TagOpenIDConnectProvider: 3,
    TagPolicy: 3,
    TagSAMLProvider: 3,
    TagServerCertificate: 3,
    UntagInstanceProfile: 3,
    UntagOpenIDConnectProvider: 3,
    UntagPolicy: 3,
    UntagSAMLProvider: 3,
    UntagServerCertificate: 3,
    UpdateAccountPasswordPolicy: 3,
    UpdateOpenIDConnectProviderThumbprint: 3,
    UpdateSAMLProvider: 3,
    UpdateServerCertificate: 3,
    UploadServerCertificate: 1,
  },
  'organizations.amazonaws.com': {
    AttachPolicy: 8,
    CreatePolicy: 1,
    DeletePolicy: 4,
    DetachPolicy: 9,
    UpdatePolicy: 3,
  },
} as const;

const KIND = {
  AccountAlias: 'Account Alias',
  InstanceProfile: 'Instance Profile',
  OpenIDConnectProvider: 'OpenID Connect Provider',
  SAMLProvider: 'SAML Provider',
  SecurityTokenServicePreferences: 'Security Token Service Preferences',
  ServerCertificate: 'Server Certificate',
} as const;

/** What IAM and Organizations have beside users, roles and groups: policies, identity providers, instance profiles, certificates. */
export default defineMapping({
  source: cloudtrail,
  class: entityManagement,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      accountAlias: text,
      instanceProfileName: text,
      name: text,
      openIDConnectProviderArn: text,
      policyArn: text,
      policyId: text,
      policyName: text,
      sAMLProviderArn: text,
      serverCertificateName: text,
      url: text,
    }),
    result: parse(record.responseElements, {
      instanceProfile: { arn: text },
      openIDConnectProviderArn: text,
      policy: { arn: text, policyName: text, policySummary: { arn: text, name: text } },
      policyVersion: { versionId: text },
      sAMLProviderArn: text,
      serverCertificateMetadata: { arn: text },
    }),
  }),
  columns: (record, { params, result }) => {
    const kind = named(
      'entity_kind',
      lookup(
        regexExtract(
          record.eventName,
          '(AccountAlias|InstanceProfile|OpenIDConnectProvider|SAMLProvider|SecurityTokenServicePreferences|ServerCertificate)',
          1,
        ),
        KIND,
      ),
    );
    const uid = coalesce(
      params.policyArn,
      result.policy.arn,
      result.policy.policySummary.arn,
      params.policyId,
      params.sAMLProviderArn,
      result.sAMLProviderArn,
      params.openIDConnectProviderArn,
      result.openIDConnectProviderArn,
      result.instanceProfile.arn,
      result.serverCertificateMetadata.arn,
      refused(record).arn,
    );
    const name = named(
      'entity_name',
      coalesce(
        params.policyName,
        params.instanceProfileName,
        params.accountAlias,
        params.serverCertificateName,
        params.name,
        params.url,
        when([[matches(record.eventName, 'AccountPasswordPolicy$'), literal('Account Password Policy')]]),
        regexExtract(uid, '([^/]+)$', 1),
        refused(record).name,
        kind,
        literal('unknown'),
      ),
    );
    return {
      ...event(record),
      activity_id: activityOf(events),
      'entity.name': name,
      'entity.policy.name': when([[isNull(kind), name]]),
      'entity.policy.uid': when([[isNull(kind), uid]]),
      'entity.policy.version': result.policyVersion.versionId,
      'entity.type': kind,
      'entity.type_id': when([[isNull(kind), literal(5)]], literal(99)),
      'entity.uid': uid,
      status_id: outcome(record),
    };
  },
});
