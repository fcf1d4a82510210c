import type { cloudtrail } from '../../bronze/cloudtrail.ts';
import {
  and,
  boolean,
  coalesce,
  equals,
  extractAll,
  ipAddress,
  isIn,
  isJson,
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
  startsWith,
  text,
  when,
} from '../../sql/functions.ts';
import type { Fields } from '../../sql/record.ts';
import { type Condition, call, literal, named, type Sql, sql, tested } from '../../sql/sql.ts';
import { bronze } from '../mapping.ts';
import { allObjects, objectsFrom, objectsOf } from '../row.ts';

export type CloudTrailRecord = Fields<typeof cloudtrail.shape>;

const INSTANCE = 'i-([0-9a-f]{17}|[0-9a-f]{8})';
const DENIED = 'AccessDenied|Unauthori[sz]ed|NotAuthorized|AuthorizationError|Forbidden';

/** A name unless AWS hides it, for it may be a password typed into the wrong field. */
const shown = (name: Sql<string>): Sql<string> => nullIf(name, 'HIDDEN_DUE_TO_SECURITY_REASONS');

/** Whether the call failed; errorCode "Success" and a permitted dry run are no failures. */
const failed = ({ errorCode, errorMessage }: CloudTrailRecord): Condition => {
  const code = errorCode;
  return or(
    and(isNotNull(code), not(isIn(code, ['Success', 'success', 'Client.DryRunOperation']))),
    and(isNull(code), isNotNull(errorMessage)),
  );
};

const verdicts = (said: Sql<string>) =>
  lookup(sql<string>`lower(${said})`, { success: 1, succeeded: 1, failure: 2, failed: 2 });

/** Success 1, Failure 2, Unknown 0: by what the event itself `said`, else by its error; an event that `must` say and does not is unknown. */
export const outcome = (record: CloudTrailRecord, said?: Sql<string>, must?: Condition): Sql<0 | 1 | 2> => {
  const ended = and(equals(record.eventType, 'AwsServiceEvent'), matches(record.eventName, 'Failed$'));
  return when<0 | 1 | 2>(
    [
      ...(said ? [[isNotNull(verdicts(said)), tested(verdicts(said))] as const] : []),
      [or(failed(record), ended), literal(2)],
      ...(said ? [[isNotNull(said), literal(0)] as const] : []),
      ...(must ? [[must, literal(0)] as const] : []),
    ],
    literal(1),
  );
};

/** Who called: the attributes of `actor.user`, with the role behind a session as its name. */
export const identity = ({ userIdentity }: CloudTrailRecord) => ({
  uid: named('caller_uid', coalesce(userIdentity.arn, userIdentity.principalId, userIdentity.onBehalfOf.userId)),
  name: named(
    'caller_name',
    coalesce(
      shown(userIdentity.userName),
      userIdentity.sessionContext.sessionIssuer.userName,
      when([[equals(userIdentity.type, 'Root'), literal('root')]]),
    ),
  ),
});

/** What was acted upon, where a refused call keeps its parameters to itself and only the message says it. */
export const refused = ({ errorMessage, requestParameters }: CloudTrailRecord) => {
  const said = when([[isNull(requestParameters), errorMessage]]);
  return {
    name: regexExtract(
      said,
      'on resource: "?(?:user |group |role |policy |instance profile )?(?:arn:[^ ]+/)?([^ /":*]+)(?:[ "]|$)',
      1,
    ),
    arn: regexExtract(said, 'on resource: "?(?:[a-z ]+ )?(arn:[^ "*]+)(?:[ "]|$)', 1),
  };
};

/** What every CloudTrail event says, whatever its class. */
export const event = (record: CloudTrailRecord) => {
  const { userIdentity } = record;
  const { sessionContext } = userIdentity;
  const who = identity(record);
  const code = named('error_code', record.errorCode);
  const why = named('error_message', record.errorMessage);
  const denied = named('denied', matches(code, DENIED));
  const address = named('address', record.sourceIPAddress);
  const ip = named('source_ip', ipAddress(address));
  const digits = matches(address, '^[0-9.:]+$');
  const operation = named('operation', record.eventName);
  const principal = userIdentity.principalId;
  return {
    action_id: when([[denied, literal(2)]], literal(1)),
    activity_name: operation,
    'actor.app_name': coalesce(
      userIdentity.invokedBy,
      when([[and(isNull(who.uid), isNull(who.name), isNull(userIdentity.accountId)), record.eventSource]]),
    ),
    'actor.idp.name': coalesce(userIdentity.identityProvider, sessionContext.webIdFederationData.federatedProvider),
    'actor.idp.uid': userIdentity.onBehalfOf.identityStoreArn,
    'actor.session.created_time': isoTime(sessionContext.attributes.creationDate),
    'actor.session.credential_uid': coalesce(userIdentity.accessKeyId, userIdentity.credentialId),
    'actor.session.is_mfa': boolean(sessionContext.attributes.mfaAuthenticated),
    'actor.session.issuer': sessionContext.sessionIssuer.arn,
    'actor.session.uid': when([[isNotNull(sessionContext.sessionIssuer.arn), principal]]),
    'actor.user.account.type_id': literal(10),
    'actor.user.account.uid': userIdentity.accountId,
    'actor.user.name': who.name,
    'actor.user.type': userIdentity.type,
    'actor.user.type_id': when(
      [[isNull(userIdentity.type), literal(0)]],
      lookup(userIdentity.type, { Root: 2, IAMUser: 1, IdentityCenterUser: 1, AWSService: 4, Unknown: 0 }, literal(99)),
    ),
    'actor.user.uid': who.uid,
    'actor.user.uid_alt': principal,
    'api.operation': operation,
    'api.request.data': jsonOrText(record.requestParameters),
    'api.request.uid': coalesce(record.requestID, when([[isNotNull(record.requestParameters), bronze.uid]])),
    'api.response.data': jsonOrText(record.responseElements),
    'api.response.error': code,
    'api.response.error_message': why,
    'api.service.name': record.eventSource,
    'api.version': record.apiVersion,
    'cloud.account.type_id': literal(10),
    'cloud.account.uid': record.recipientAccountId,
    'cloud.provider': literal('AWS'),
    'cloud.region': record.awsRegion,
    disposition_id: when([[denied, literal(2)]], literal(1)),
    'http_request.user_agent': record.userAgent,
    'metadata.correlation_uid': record.sharedEventID,
    'metadata.event_code': operation,
    'metadata.log_version': record.eventVersion,
    'metadata.original_event_uid': record.addendum.originalEventID,
    'metadata.product.feature.name': record.eventCategory,
    'metadata.product.name': literal('CloudTrail'),
    'metadata.product.vendor_name': literal('AWS'),
    severity_id: literal(1),
    'src_endpoint.instance_uid': regexExtract(coalesce(principal, userIdentity.arn), `[:/](${INSTANCE})$`, 1),
    'src_endpoint.ip': ip,
    'src_endpoint.name': when([[and(isNull(ip), digits), address]]),
    'src_endpoint.owner.account.uid': record.vpcEndpointAccountId,
    'src_endpoint.svc_name': coalesce(
      when([[and(isNull(ip), not(digits)), address]]),
      when([[isNull(address), coalesce(userIdentity.invokedBy, record.eventSource)]]),
    ),
    'src_endpoint.uid': record.vpcEndpointId,
    status_code: code,
    status_detail: why,
  };
};

/** The ids of the instances that the call names, in its parameters, its result or its resources. */
const instances = ({ requestParameters, responseElements, resources }: CloudTrailRecord): Sql<string[]> => {
  const all = sql<string>`concat_ws(' ', ${requestParameters}, ${responseElements}, ${resources})`;
  const some = or(
    sql`contains(${requestParameters}, '"i-')`,
    sql`contains(${responseElements}, '"i-')`,
    sql`contains(${resources}, 'instance/i-')`,
  );
  return named('instances', tested(when([[some, extractAll(all, `["/](${INSTANCE})[\\\\"]`, 1)]])));
};

/** The resources that the event names, and the instances among them by their bare ids, by which the sources are joined. */
export const resources = (record: CloudTrailRecord) => {
  const json = when(
    [
      [
        sql<boolean>`contains(${record.resources}, '"arn":')`,
        sql<string>`replace(${record.resources}, '"arn":', '"ARN":')`,
      ],
    ],
    record.resources,
  );
  const listed = named(
    'listed',
    call((f) =>
      when([
        [startsWith(record.resources, '{'), f.list([json])],
        [and(startsWith(record.resources, '['), isJson(record.resources)), f.listFromJson(json)],
      ]),
    ) as Sql<string[]>,
  );
  const shape = { ARN: text, ARNPrefix: text, accountId: text, type: text } as const;
  return allObjects(
    objectsFrom('resource_details', listed, shape, (resource) => ({
      'owner.account.uid': resource.accountId,
      role_id: literal(1),
      type: resource.type,
      uid: coalesce(resource.ARN, resource.ARNPrefix),
    })),
    objectsOf('resource_details', instances(record), (instance) => ({
      role_id: literal(1),
      type: literal('AWS::EC2::Instance'),
      uid: instance,
    })),
  );
};
