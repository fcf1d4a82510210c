import type { cloudtrail } from '../../bronze/cloudtrail.ts';
import {
  and,
  boolean,
  coalesce,
  equals,
  ipAddress,
  isIn,
  isIpAddress,
  isNotNull,
  isNull,
  isoTime,
  jsonOrText,
  lookup,
  matches,
  not,
  nullIf,
  or,
  regexExtract,
  text,
  when,
} from '../../sql/functions.ts';
import type { Fields } from '../../sql/record.ts';
import { type Condition, call, literal, named, type Sql, sql } from '../../sql/sql.ts';
import { objectsFrom } from '../row.ts';

export type CloudTrailRecord = Fields<typeof cloudtrail.shape>;

const INSTANCE_SESSION = ':(i-[0-9a-f]{8,17})$';
const DENIED = '(AccessDenied|Unauthorized|VpceAccessDenied|Forbidden)';
const HIDDEN = 'HIDDEN_DUE_TO_SECURITY_REASONS';
const SECRETS = ['sessionToken', 'secretAccessKey', 'SecretAccessKey', 'SessionToken', 'secretString', 'password'];

const given = (value: Sql<string>): Sql<string> => nullIf(value, '', '-', HIDDEN);

/** A JSON text without the credentials that AWS writes into some responses. */
const withoutSecrets = (value: Sql<string>): Sql<string> =>
  call((f) => {
    const cleaned = SECRETS.reduce<Sql>(
      (v, name) => f.replaceAll(v, `"${name}":"([^"\\\\]|\\\\.)*"`, `"${name}":"REDACTED"`),
      value,
    );
    return sql`CASE WHEN ${matches(value, '([sS]essionToken|[sS]ecretAccessKey|secretString|password)')} THEN ${cleaned} ELSE ${value} END`;
  });

/** Whether the call failed; errorCode "Success" and a permitted dry run are no failures. */
export const failed = (record: CloudTrailRecord): Condition =>
  or(
    and(isNotNull(given(record.errorCode)), not(isIn(record.errorCode, ['Success', 'Client.DryRunOperation']))),
    and(isNull(given(record.errorCode)), isNotNull(given(record.errorMessage))),
  );

/** Who called: the attributes of `actor.user`, with the role behind a session as its name. */
export const identity = (record: CloudTrailRecord) => {
  const { userIdentity } = record;
  return {
    uid: named('caller_uid', coalesce(given(userIdentity.arn), given(userIdentity.principalId))),
    uid_alt: given(userIdentity.principalId),
    name: named(
      'caller_name',
      coalesce(
        given(userIdentity.userName),
        userIdentity.sessionContext.sessionIssuer.userName,
        when([[equals(userIdentity.type, 'Root'), literal('root')]]),
      ),
    ),
  };
};

/** What every CloudTrail event says, whatever its class. */
export const event = (record: CloudTrailRecord) => {
  const { userIdentity } = record;
  const { sessionContext } = userIdentity;
  const who = identity(record);
  const denied = matches(record.errorCode, DENIED);
  const address = named('address', given(record.sourceIPAddress));
  return {
    action_id: when([[denied, literal(2)]], literal(1)),
    'actor.app_name': coalesce(
      userIdentity.invokedBy,
      when([[and(isNull(who.uid), isNull(who.name), isNull(userIdentity.accountId)), record.eventSource]]),
    ),
    'actor.idp.name': coalesce(userIdentity.identityProvider, sessionContext.webIdFederationData.federatedProvider),
    'actor.idp.uid': userIdentity.onBehalfOf.identityStoreArn,
    'actor.session.created_time': isoTime(sessionContext.attributes.creationDate),
    'actor.session.credential_uid': nullIf(userIdentity.accessKeyId, ''),
    'actor.session.is_mfa': boolean(sessionContext.attributes.mfaAuthenticated),
    'actor.session.issuer': sessionContext.sessionIssuer.arn,
    'actor.session.uid': when([[isNotNull(sessionContext.sessionIssuer.arn), userIdentity.principalId]]),
    'actor.user.account.type_id': literal(10),
    'actor.user.account.uid': userIdentity.accountId,
    'actor.user.name': who.name,
    'actor.user.type': userIdentity.type,
    'actor.user.type_id': when(
      [[isNull(userIdentity.type), literal(0)]],
      lookup(userIdentity.type, { Root: 2, IAMUser: 1, AWSService: 3 }, literal(99)),
    ),
    'actor.user.uid': who.uid,
    'actor.user.uid_alt': who.uid_alt,
    'api.operation': record.eventName,
    'api.request.data': jsonOrText(nullIf(record.requestParameters, '')),
    'api.request.uid': nullIf(record.requestID, ''),
    'api.response.data': jsonOrText(withoutSecrets(nullIf(record.responseElements, ''))),
    'api.response.error': nullIf(record.errorCode, ''),
    'api.response.error_message': nullIf(record.errorMessage, ''),
    'api.service.name': record.eventSource,
    'api.version': record.apiVersion,
    'cloud.account.type_id': literal(10),
    'cloud.account.uid': record.recipientAccountId,
    'cloud.provider': literal('AWS'),
    'cloud.region': record.awsRegion,
    disposition_id: when([[denied, literal(2)]], literal(1)),
    'http_request.user_agent': given(record.userAgent),
    'metadata.correlation_uid': record.sharedEventID,
    'metadata.event_code': record.eventName,
    'metadata.log_version': record.eventVersion,
    'metadata.original_event_uid': record.addendum.originalEventID,
    'metadata.product.feature.name': record.eventCategory,
    'metadata.product.name': literal('CloudTrail'),
    'metadata.product.vendor_name': literal('AWS'),
    severity_id: literal(1),
    'src_endpoint.instance_uid': regexExtract(userIdentity.principalId, INSTANCE_SESSION, 1),
    'src_endpoint.ip': ipAddress(address),
    'src_endpoint.owner.account.uid': record.vpcEndpointAccountId,
    'src_endpoint.svc_name': coalesce(
      when([[not(isIpAddress(address)), address]]),
      when([[isNull(address), coalesce(userIdentity.invokedBy, record.eventSource)]]),
    ),
    'src_endpoint.uid': record.vpcEndpointId,
    status_code: nullIf(record.errorCode, ''),
    status_detail: nullIf(record.errorMessage, ''),
  };
};

/** The resources that the event names. */
export const resources = (record: CloudTrailRecord) =>
  objectsFrom(
    'resource_details',
    record.resources,
    { ARN: text, ARNPrefix: text, accountId: text, type: text },
    (resource) => ({
      'owner.account.uid': resource.accountId,
      role_id: literal(1),
      type: resource.type,
      uid: coalesce(resource.ARN, resource.ARNPrefix),
    }),
  );
