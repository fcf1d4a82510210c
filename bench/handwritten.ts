/** What one would write by hand for CloudTrail alone, without sources, mappings or schema, and with less care: three classes, the same columns, no odd records. The yardstick of bench/pipeline.ts. */

const object = (fields: readonly string[]): Record<string, 'VARCHAR'> =>
  Object.fromEntries(fields.map((field) => [field, 'VARCHAR'] as const));

const RECORD = JSON.stringify({
  ...object(['eventVersion', 'eventTime', 'eventSource', 'eventName', 'awsRegion', 'sourceIPAddress', 'userAgent']),
  ...object(['errorCode', 'errorMessage', 'requestParameters', 'responseElements', 'additionalEventData']),
  ...object(['serviceEventDetails', 'insightDetails', 'requestID', 'eventID', 'eventType', 'eventCategory']),
  ...object(['apiVersion', 'readOnly', 'managementEvent', 'recipientAccountId', 'sharedEventID', 'vpcEndpointId']),
  ...object(['vpcEndpointAccountId', 'sessionCredentialFromConsole', 'eventContext', 'edgeDeviceDetails']),
  userIdentity: {
    ...object(['type', 'principalId', 'arn', 'accountId', 'accessKeyId', 'userName', 'invokedBy']),
    ...object(['identityProvider', 'credentialId', 'inScopeOf']),
    onBehalfOf: object(['userId', 'identityStoreArn']),
    sessionContext: {
      ...object(['ec2RoleDelivery', 'sourceIdentity', 'assumedRoot']),
      attributes: object(['creationDate', 'mfaAuthenticated']),
      sessionIssuer: object(['type', 'principalId', 'arn', 'accountId', 'userName']),
      webIdFederationData: object(['federatedProvider', 'attributes']),
    },
  },
  resources: ['VARCHAR'],
  addendum: object(['reason', 'updatedFields', 'originalRequestID', 'originalEventID']),
  tlsDetails: object(['tlsVersion', 'cipherSuite', 'clientProvidedHostHeader']),
});

/** Records files to a table with the record's text and what is lifted out of it. */
export const bronze = (glob: string): string[] => [
  `CREATE TABLE bronze (uid VARCHAR, time BIGINT, service VARCHAR, action VARCHAR, raw VARCHAR USING COMPRESSION zstd,
  hash VARCHAR, file VARCHAR, position BIGINT, batch BIGINT)`,
  `INSERT INTO bronze
SELECT coalesce(r.eventID, md5(raw)), epoch_ms(try_cast(r.eventTime AS TIMESTAMPTZ)), r.eventSource, r.eventName, raw, md5(raw), file, position, 1
FROM (SELECT file, position, raw, from_json(raw, '${JSON.stringify(object(['eventID', 'eventTime', 'eventSource', 'eventName']))}') AS r
  FROM (SELECT filename AS file, unnest(records) AS raw, generate_subscripts(records, 1) AS position
    FROM (SELECT filename, from_json(json, '{"Records":["VARCHAR"]}').Records AS records
      FROM read_json_objects('${glob}', filename = true, format = 'unstructured', compression = 'gzip', maximum_object_size = 67108864))))`,
];

const ADDRESS = '^([0-9]{1,3}[.]){3}[0-9]{1,3}$|^[0-9a-fA-F]*:[0-9a-fA-F:.]*$';
const SECRET = '"(sessionToken|secretAccessKey|SecretAccessKey|SessionToken|secretString|password)":"[^"]*"';

/** The events of a class with what its columns share. */
const events = (which: string, more: readonly string[] = []): string => `(SELECT *,
    CASE WHEN regexp_matches(address, '${ADDRESS}') THEN lower(address) END AS ip,
    regexp_matches(r.errorCode, '(AccessDenied|Unauthorized|Forbidden)') IS TRUE AS denied,
    coalesce(r.errorCode, r.errorMessage) IS NOT NULL AND (r.errorCode IS NULL OR r.errorCode NOT IN ('Success', 'Client.DryRunOperation')) AS failed
  FROM (SELECT *, nullif(nullif(r.sourceIPAddress, ''), '-') AS address,
      coalesce(r.userIdentity.arn, r.userIdentity.principalId) AS caller,
      coalesce(r.userIdentity.userName, r.userIdentity.sessionContext.sessionIssuer.userName, CASE WHEN r.userIdentity.type = 'Root' THEN 'root' END) AS caller_name,
      CASE r.userIdentity.type WHEN 'Root' THEN 2 WHEN 'IAMUser' THEN 1 WHEN 'AWSService' THEN 3 ELSE CASE WHEN r.userIdentity.type IS NULL THEN 0 ELSE 99 END END AS caller_type${more.map((column) => `,\n      ${column}`).join('')}
    FROM (SELECT uid, time, service, action, hash, from_json(raw, '${RECORD}') AS r FROM bronze WHERE ${which}) AS parsed) AS named) AS event`;

/** A member that is itself JSON, as a struct. */
const inner = (member: string, fields: Readonly<Record<string, unknown>>): string =>
  `CASE WHEN json_valid(r.${member}) THEN from_json(r.${member}, '${JSON.stringify(fields)}') END`;

const NOBODY = '(coalesce(r.userIdentity.accountId, caller_name, caller) IS NULL)';

const shared = (profiles: string): string => `
  CASE WHEN denied THEN 'Denied' ELSE 'Allowed' END AS action, CASE WHEN denied THEN 2 ELSE 1 END AS action_id,
  {'app_name': coalesce(r.userIdentity.invokedBy, CASE WHEN caller IS NULL AND caller_name IS NULL AND r.userIdentity.accountId IS NULL THEN r.eventSource END),
    'idp': {'name': coalesce(r.userIdentity.identityProvider, r.userIdentity.sessionContext.webIdFederationData.federatedProvider), 'uid': r.userIdentity.onBehalfOf.identityStoreArn},
    'session': {'created_time': epoch_ms(try_cast(r.userIdentity.sessionContext.attributes.creationDate AS TIMESTAMPTZ)), 'credential_uid': nullif(r.userIdentity.accessKeyId, ''),
      'is_mfa': try_cast(r.userIdentity.sessionContext.attributes.mfaAuthenticated AS BOOLEAN), 'issuer': r.userIdentity.sessionContext.sessionIssuer.arn,
      'uid': CASE WHEN r.userIdentity.sessionContext.sessionIssuer.arn IS NOT NULL THEN r.userIdentity.principalId END},
    'user': CASE WHEN NOT ${NOBODY} THEN {
      'account': CASE WHEN r.userIdentity.accountId IS NOT NULL THEN {'type': 'AWS Account', 'type_id': 10, 'uid': r.userIdentity.accountId} END,
      'name': caller_name, 'type': CASE caller_type WHEN 0 THEN 'Unknown' WHEN 1 THEN 'User' WHEN 2 THEN 'Admin' WHEN 3 THEN 'System' ELSE coalesce(r.userIdentity.type, 'Other') END,
      'type_id': caller_type, 'uid': caller, 'uid_alt': r.userIdentity.principalId} END} AS actor,
  {'operation': r.eventName, 'request': CASE WHEN r.requestID IS NOT NULL THEN {'data': r.requestParameters, 'uid': r.requestID} END,
    'response': {'data': regexp_replace(r.responseElements, '${SECRET}', '"\\1":"REDACTED"', 'g'), 'error': r.errorCode, 'error_message': r.errorMessage},
    'service': {'name': r.eventSource}, 'version': r.apiVersion} AS api,
  {'account': CASE WHEN r.recipientAccountId IS NOT NULL THEN {'type': 'AWS Account', 'type_id': 10, 'uid': r.recipientAccountId} END, 'provider': 'AWS', 'region': r.awsRegion} AS cloud,
  CASE WHEN denied THEN 'Blocked' ELSE 'Allowed' END AS disposition, CASE WHEN denied THEN 2 ELSE 1 END AS disposition_id,
  {'user_agent': nullif(r.userAgent, '')} AS http_request,
  {'correlation_uid': r.sharedEventID, 'event_code': r.eventName, 'log_version': r.eventVersion, 'original_event_uid': r.addendum.originalEventID,
    'product': {'feature': CASE WHEN r.eventCategory IS NOT NULL THEN {'name': r.eventCategory} END, 'name': 'CloudTrail', 'vendor_name': 'AWS'},
    'profiles': ${profiles}, 'uid': uid, 'version': '1.8.0'} AS metadata,
  {'algorithm': 'MD5', 'algorithm_id': 1, 'value': hash} AS raw_data_hash,
  'Informational' AS severity, 1 AS severity_id,
  {'instance_uid': nullif(regexp_extract(r.userIdentity.principalId, ':(i-[0-9a-f]{8,17})$', 1), ''), 'ip': ip, 'owner': {'account': {'uid': r.vpcEndpointAccountId}},
    'svc_name': CASE WHEN ip IS NULL THEN coalesce(address, r.userIdentity.invokedBy, r.eventSource) END, 'uid': r.vpcEndpointId} AS src_endpoint,
  r.errorCode AS status_code, r.errorMessage AS status_detail, time`;

const observed: readonly (readonly [name: string, type: string, id: number, value: string])[] = [
  ['actor.session.credential_uid', 'User Credential ID', 19, "nullif(r.userIdentity.accessKeyId, '')"],
  ['actor.user.account.uid', 'Account Object: uid', 35, 'r.userIdentity.accountId'],
  ['actor.user.name', 'User Name', 4, 'caller_name'],
  ['actor.user.uid', 'User Object: uid', 31, 'caller'],
  ['cloud.account.uid', 'Account Object: uid', 35, 'r.recipientAccountId'],
  ['http_request.user_agent', 'HTTP User-Agent', 16, "nullif(r.userAgent, '')"],
  ['raw_data_hash.value', 'Hash', 8, 'hash'],
];
const observedSource: typeof observed = [
  ['src_endpoint.ip', 'IP Address', 2, 'ip'],
  ['src_endpoint.owner.account.uid', 'Account Object: uid', 35, 'r.vpcEndpointAccountId'],
  ['src_endpoint.uid', 'Network Endpoint Object: uid', 48, 'r.vpcEndpointId'],
];
const observable = ([name, type, id, value]: (typeof observed)[number]): string =>
  `{'name': '${name}', 'type': '${type}', 'type_id': ${id}, 'value': ${value}}`;

const observables = (more: typeof observed, ...lists: string[]): string => {
  const scalars = `[${[...observed, ...observedSource, ...more].map(observable).join(',\n    ')}]`;
  return `list_filter(${lists.reduce((all, list) => `list_concat(${all}, ${list})`, scalars)}, lambda o: o.value IS NOT NULL)`;
};

const left = [
  ...['userIdentity.credentialId', 'userIdentity.onBehalfOf.userId', 'userIdentity.inScopeOf'],
  ...['type', 'principalId', 'accountId'].map((field) => `userIdentity.sessionContext.sessionIssuer.${field}`),
  ...['webIdFederationData.attributes', 'ec2RoleDelivery', 'sourceIdentity', 'assumedRoot'].map(
    (field) => `userIdentity.sessionContext.${field}`,
  ),
  ...['additionalEventData', 'serviceEventDetails', 'insightDetails', 'eventType', 'managementEvent'],
  ...['addendum.reason', 'addendum.updatedFields', 'addendum.originalRequestID', 'sessionCredentialFromConsole'],
  ...['eventContext', 'edgeDeviceDetails'],
  ...['tlsVersion', 'cipherSuite', 'clientProvidedHostHeader'].map((field) => `tlsDetails.${field}`),
];
const unmapped = (...more: readonly (readonly [string, string])[]): string => {
  const pairs = [
    ['userIdentity.type', `CASE WHEN ${NOBODY} THEN r.userIdentity.type END`],
    ...left.map((field) => [field, `r.${field}`]),
    ...more,
  ];
  return `map_from_entries(list_filter([${pairs.map(([key, value]) => `{'k': '${key}', 'v': ${value}}`).join(', ')}], lambda e: e.v IS NOT NULL))`;
};

const uidAndType = (uid: number, category: number, className: string, categoryName: string): string =>
  `'${categoryName}' AS category_name, ${category} AS category_uid, '${className}' AS class_name, ${uid} AS class_uid,
  ${uid * 100} + activity_id AS type_uid, '${className}: ' || coalesce(activity, 'Other') AS type_name`;

const starts = (...verbs: string[]): string => `regexp_matches(r.eventName, '^(${verbs.join('|')})([A-Z0-9]|$)')`;
const caption = (names: Readonly<Record<number, string>>): string =>
  `CASE activity_id ${Object.entries(names)
    .map(([id, name]) => `WHEN ${id} THEN '${name}'`)
    .join(' ')} END`;

const SIGN_INS = `((service = 'signin.amazonaws.com' AND action IN ('ConsoleLogin', 'CheckMfa', 'CredentialChallenge', 'CredentialVerification', 'UserAuthentication', 'SwitchRole', 'ExitRole', 'RenewRole', 'GetSigninToken', 'Logout'))
  OR (service = 'sso.amazonaws.com' AND action IN ('Authenticate', 'Federate', 'Logout'))
  OR (service = 'sts.amazonaws.com' AND action IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'AssumeRoot', 'GetSessionToken', 'GetFederationToken')))`;
const USERS = `(service = 'iam.amazonaws.com' AND regexp_matches(action, '^(Create|Update|Delete|Attach|Detach|Put|Tag|Untag|Enable|Deactivate|ChangePassword|AddRole|RemoveRole).*(User|Role|LoginProfile|AccessKey|MFADevice|ChangePassword|UserPolicy|RolePolicy)'))`;

/** The bronze table to one wide OCSF table for each of three classes. */
export const silver: readonly string[] = [
  `CREATE TABLE api_activity AS SELECT * EXCLUDE (activity, operation), ${uidAndType(6003, 6, 'API Activity', 'Application Activity')} FROM (
SELECT *, coalesce(activity, operation) AS activity_name FROM (SELECT *, ${caption({ 1: 'Create', 2: 'Read', 3: 'Update', 4: 'Delete' })} AS activity FROM (SELECT
  CASE WHEN ${starts('Create', 'Run', 'Register', 'Allocate', 'Request', 'Generate', 'Issue', 'Import', 'Copy')} THEN 1
    WHEN ${starts('Get', 'List', 'Describe', 'Head', 'Lookup', 'Search', 'Query', 'Scan', 'BatchGet', 'View', 'Download', 'Check', 'Preview', 'Test', 'Validate', 'Decrypt', 'Verify')} THEN 2
    WHEN ${starts('Update', 'Modify', 'Put', 'Set', 'Attach', 'Detach', 'Associate', 'Disassociate', 'Enable', 'Disable', 'Start', 'Stop', 'Reboot', 'Add', 'Authorize', 'Change', 'Tag', 'Untag', 'Reset', 'Restore', 'Replace', 'Assign', 'Unassign', 'Upload', 'Send', 'Batch', 'Write', 'Schedule')} THEN 3
    WHEN ${starts('Delete', 'Terminate', 'Remove', 'Deregister', 'Release', 'Purge', 'Revoke', 'Cancel')} THEN 4
    WHEN r.readOnly = 'true' THEN 2 ELSE 99 END AS activity_id, r.eventName AS operation,${shared("['cloud', 'security_control']")},
  targets AS resources, CASE WHEN failed THEN 'Failure' ELSE 'Success' END AS status, CASE WHEN failed THEN 2 ELSE 1 END AS status_id,
  ${observables(
    [],
    "list_transform(targets, lambda t: {'name': 'resources[].owner.account.uid', 'type': 'Account Object: uid', 'type_id': 35, 'value': t.owner.account.uid})",
    "list_transform(targets, lambda t: {'name': 'resources[].uid', 'type': 'Resource UID', 'type_id': 10, 'value': t.uid})",
  )} AS observables,
  ${unmapped(['readOnly', 'r.readOnly'])} AS unmapped
FROM ${events(`NOT (${SIGN_INS} OR ${USERS} OR service = 'insight')`, [
    `list_filter(list_transform(list_transform(r.resources, lambda t: from_json(t, '${JSON.stringify(object(['ARN', 'ARNPrefix', 'accountId', 'type']))}')),
        lambda t: {'owner': {'account': {'uid': t.accountId}}, 'role': 'Target', 'role_id': 1, 'type': t.type, 'uid': coalesce(t.ARN, t.ARNPrefix)}), lambda t: t.uid IS NOT NULL) AS targets`,
  ])})))`,

  `CREATE TABLE authentication AS SELECT * EXCLUDE (activity, operation), ${uidAndType(3002, 3, 'Authentication', 'Identity & Access Management')} FROM (
SELECT *, coalesce(activity, operation) AS activity_name FROM (SELECT *, ${caption({ 1: 'Logon', 2: 'Logoff', 3: 'Authentication Ticket', 7: 'Account Switch' })} AS activity FROM (SELECT
  CASE WHEN action IN ('ConsoleLogin', 'UserAuthentication', 'Authenticate', 'Federate') OR starts_with(action, 'AssumeRo') THEN 1
    WHEN action IN ('Logout', 'SignOut') THEN 2 WHEN action IN ('GetSigninToken', 'GetSessionToken', 'GetFederationToken') THEN 3
    WHEN action IN ('SwitchRole', 'ExitRole') THEN 7 ELSE 99 END AS activity_id, r.eventName AS operation,${shared("['cloud', 'security_control']")},
  CASE r.eventName WHEN 'AssumeRoleWithSAML' THEN 'SAML' WHEN 'AssumeRoleWithWebIdentity' THEN 'OpenID' END AS auth_protocol,
  CASE r.eventName WHEN 'AssumeRoleWithSAML' THEN 5 WHEN 'AssumeRoleWithWebIdentity' THEN 4 END AS auth_protocol_id,
  {'svc_name': coalesce(additional.LoginTo, r.eventSource)} AS dst_endpoint, CASE additional.MFAUsed WHEN 'Yes' THEN true WHEN 'No' THEN false END AS is_mfa,
  {'credential_uid': result.credentials.accessKeyId, 'uid': result.assumedRoleUser.arn} AS session, {'name': r.eventSource} AS service,
  CASE WHEN outcome = 'Success' THEN 'Success' WHEN failed OR outcome = 'Failure' THEN 'Failure' ELSE 'Success' END AS status,
  CASE WHEN outcome = 'Success' THEN 1 WHEN failed OR outcome = 'Failure' THEN 2 ELSE 1 END AS status_id,
  {'account': CASE WHEN r.userIdentity.accountId IS NOT NULL THEN {'uid': r.userIdentity.accountId} END, 'name': target, 'uid': coalesce(params.roleArn, caller)} AS "user",
  ${observables([
    ['session.credential_uid', 'User Credential ID', 19, 'result.credentials.accessKeyId'],
    ['user.account.uid', 'Account Object: uid', 35, 'r.userIdentity.accountId'],
    ['user.name', 'User Name', 4, 'target'],
    ['user.uid', 'User Object: uid', 31, 'coalesce(params.roleArn, caller)'],
  ])} AS observables,
  ${unmapped(['readOnly', 'r.readOnly'], ['resources', 'CAST(to_json(r.resources) AS VARCHAR)'])} AS unmapped
FROM (SELECT *, coalesce(params.roleSessionName, params.name, caller_name, additional.UserName, r.userIdentity.invokedBy, 'unknown') AS target,
    coalesce(result.ConsoleLogin, result.CheckMfa, result.SwitchRole, result.GetSigninToken) AS outcome FROM ${events(
      SIGN_INS,
      [
        `${inner('requestParameters', object(['roleArn', 'roleSessionName', 'name']))} AS params`,
        `${inner('responseElements', { ...object(['ConsoleLogin', 'CheckMfa', 'SwitchRole', 'GetSigninToken']), assumedRoleUser: object(['arn']), credentials: object(['accessKeyId']) })} AS result`,
        `${inner('additionalEventData', object(['MFAUsed', 'LoginTo', 'UserName']))} AS additional`,
      ],
    )}))))`,

  `CREATE TABLE account_change AS SELECT * EXCLUDE (activity, operation), ${uidAndType(3001, 3, 'Account Change', 'Identity & Access Management')} FROM (
SELECT *, coalesce(activity, operation) AS activity_name FROM (SELECT *, ${caption({ 1: 'Create', 6: 'Delete', 7: 'Attach Policy', 8: 'Detach Policy' })} AS activity FROM (SELECT
  CASE WHEN action IN ('CreateUser', 'CreateRole') THEN 1 WHEN action IN ('DeleteUser', 'DeleteRole') THEN 6
    WHEN regexp_matches(action, '^(Attach|Put).*Policy$') THEN 7 WHEN regexp_matches(action, '^(Detach|Delete).*Policy$') THEN 8 ELSE 99 END AS activity_id,
  r.eventName AS operation,${shared("['cloud', 'security_control']")}, CASE WHEN coalesce(params.policyName, params.policyArn) IS NOT NULL THEN [{'name': params.policyName, 'uid': params.policyArn}] END AS policies,
  CASE WHEN failed THEN 'Failure' ELSE 'Success' END AS status, CASE WHEN failed THEN 2 ELSE 1 END AS status_id,
  {'account': CASE WHEN r.userIdentity.accountId IS NOT NULL THEN {'uid': r.userIdentity.accountId} END, 'name': coalesce(params.userName, params.roleName, caller_name, 'unknown'), 'uid': coalesce(result.user.arn, result.role.arn)} AS "user",
  ${observables([
    ['user.account.uid', 'Account Object: uid', 35, 'r.userIdentity.accountId'],
    ['user.name', 'User Name', 4, "coalesce(params.userName, params.roleName, caller_name, 'unknown')"],
    ['user.uid', 'User Object: uid', 31, 'coalesce(result.user.arn, result.role.arn)'],
  ])} AS observables,
  ${unmapped(['readOnly', 'r.readOnly'], ['resources', 'CAST(to_json(r.resources) AS VARCHAR)'])} AS unmapped
FROM ${events(USERS, [
    `${inner('requestParameters', object(['userName', 'roleName', 'policyArn', 'policyName']))} AS params`,
    `${inner('responseElements', { user: object(['arn']), role: object(['arn']) })} AS result`,
  ])})))`,
];
