export const account = '123456789012';
export const ana = {
  type: 'IAMUser',
  principalId: 'AIDAEXAMPLEANA',
  arn: `arn:aws:iam::${account}:user/ana`,
  accountId: account,
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  userName: 'ana',
};

/** What nearly every record has. */
export const event = (eventID: string, eventSource: string, eventName: string) => ({
  eventVersion: '1.11',
  eventTime: '2026-11-05T09:00:00Z',
  eventSource,
  eventName,
  awsRegion: 'eu-west-1',
  sourceIPAddress: '192.0.2.10',
  userAgent: 'aws-cli/2.31.0',
  eventID,
  eventType: 'AwsApiCall',
  eventCategory: 'Management',
  managementEvent: true,
  readOnly: false,
  recipientAccountId: account,
});

/** A call of ana's; its id is its name where a test needs no other. */
const call = (eventSource: string, eventName: string, more: object = {}): object => ({
  ...event(eventName, eventSource, eventName),
  userIdentity: ana,
  requestID: 'request',
  ...more,
});
const iam = (eventName: string, requestParameters: object | null, more: object = {}): object =>
  call('iam.amazonaws.com', eventName, { requestParameters, ...more });
const s3 = (eventName: string, more: object = {}): object =>
  call('s3.amazonaws.com', eventName, {
    eventCategory: 'Data',
    managementEvent: false,
    requestParameters: { bucketName: 'example-exports', key: 'reports/2026/customers.csv' },
    resources: [
      { type: 'AWS::S3::Object', ARN: 'arn:aws:s3:::example-exports/reports/2026/customers.csv' },
      { accountId: account, type: 'AWS::S3::Bucket', ARN: 'arn:aws:s3:::example-exports' },
    ],
    ...more,
  });
export const table = `arn:aws:dynamodb:eu-west-1:${account}:table/orders`;
const dynamodb = (eventName: string, requestParameters: object, more: object = {}): object =>
  call('dynamodb.amazonaws.com', eventName, {
    eventCategory: 'Data',
    requestParameters,
    resources: [{ accountId: account, type: 'AWS::DynamoDB::Table', ARN: table }],
    ...more,
  });
const denied = (action: string, on: string): object => ({
  requestParameters: null,
  errorCode: 'AccessDenied',
  errorMessage: `User: ${ana.arn} is not authorized to perform: iam:${action} on resource: ${on} because no identity-based policy allows the iam:${action} action`,
});

/** Records of every class that CloudTrail feeds; the ids tell what each is. */
export const records: readonly object[] = [
  iam('AddUserToGroup', { userName: 'eve', groupName: 'admins' }),
  iam('RemoveUserFromGroup', null, denied('RemoveUserFromGroup', `group arn:aws:iam::${account}:group/ops/admins`)),
  iam(
    'CreateGroup',
    { groupName: 'ops' },
    {
      responseElements: {
        group: { groupName: 'ops', groupId: 'AGPAEXAMPLE', arn: `arn:aws:iam::${account}:group/ops`, path: '/' },
      },
    },
  ),
  iam('DeleteGroup', { groupName: 'ops' }),
  iam('UpdateGroup', { groupName: 'ops', newGroupName: 'operators' }),
  iam('AttachGroupPolicy', { groupName: 'ops', policyArn: 'arn:aws:iam::aws:policy/PowerUserAccess' }),
  iam('PutGroupPolicy', { groupName: 'ops', policyName: 'inline', policyDocument: '{}' }),
  call('identitystore.amazonaws.com', 'CreateGroupMembership', {
    requestParameters: { identityStoreId: 'd-1', groupId: 'g-1', memberId: { userId: 'u-1' } },
  }),
  call('sso-directory.amazonaws.com', 'AddMemberToGroup', { requestParameters: { groupId: 'g-1', memberId: 'u-2' } }),
  call('quicksight.amazonaws.com', 'CreateGroup', { eventID: 'CreateGroup-elsewhere', requestParameters: {} }),

  iam(
    'CreatePolicy',
    { policyName: 'reader', policyDocument: '{}' },
    {
      responseElements: { policy: { arn: `arn:aws:iam::${account}:policy/reader`, policyName: 'reader' } },
    },
  ),
  iam(
    'CreatePolicyVersion',
    { policyArn: `arn:aws:iam::${account}:policy/reader`, setAsDefault: true },
    {
      responseElements: { policyVersion: { versionId: 'v2', isDefaultVersion: true } },
    },
  ),
  iam('DeletePolicy', null, denied('DeletePolicy', `policy arn:aws:iam::${account}:policy/team/reader`)),
  iam('UpdateAccountPasswordPolicy', { minimumPasswordLength: 6 }),
  iam(
    'CreateSAMLProvider',
    { name: 'okta', sAMLMetadataDocument: '<x/>' },
    {
      responseElements: { sAMLProviderArn: `arn:aws:iam::${account}:saml-provider/okta` },
    },
  ),
  iam('AddRoleToInstanceProfile', { roleName: 'node', instanceProfileName: 'nodes' }),
  call('organizations.amazonaws.com', 'AttachPolicy', { requestParameters: { policyId: 'p-1', targetId: account } }),

  call('kms.amazonaws.com', 'CreateGrant', {
    requestParameters: { keyId: 'k', granteePrincipal: 'role-arn', operations: ['Decrypt', 'Encrypt'] },
    resources: [{ accountId: account, type: 'AWS::KMS::Key', ARN: `arn:aws:kms:eu-west-1:${account}:key/k` }],
  }),
  call('kms.amazonaws.com', 'CreateGrant', {
    eventID: 'CreateGrant-nobody',
    requestParameters: { keyId: 'k', constraints: {} },
  }),
  call('eks.amazonaws.com', 'AssociateAccessPolicy', {
    requestParameters: {
      name: 'cluster',
      principalArn: `arn%3Aaws%3Aiam%3A%3A${account}%3Arole%2Fops`,
      policyArn: 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy',
    },
  }),
  call('lakeformation.amazonaws.com', 'RevokePermissions', {
    requestParameters: { principal: { dataLakePrincipalIdentifier: ana.arn }, permissions: ['SELECT'], resource: {} },
  }),
  call('sso.amazonaws.com', 'CreateAccountAssignment', {
    requestParameters: { principalType: 'USER', principalId: 'u-1', permissionSetArn: 'ps-1', targetId: account },
  }),
  call('sso.amazonaws.com', 'CreateAccountAssignment', {
    eventID: 'CreateAccountAssignment-group',
    requestParameters: { principalType: 'GROUP', principalId: 'g-1', permissionSetArn: 'ps-1', targetId: account },
  }),

  s3('GetObject', { readOnly: true }),
  s3('PutObject', { requestParameters: { bucketName: 'example-exports', key: 'folder/' } }),
  s3('DeleteObject', { requestParameters: null, errorCode: 'AccessDenied', errorMessage: 'Access Denied' }),
  s3('ListObjects', { requestParameters: { bucketName: 'example-exports', prefix: 'reports/' } }),
  call('s3.amazonaws.com', 'PutBucketPolicy', { requestParameters: { bucketName: 'example-exports' } }),
  dynamodb('GetItem', { tableName: 'orders', key: { id: 'HIDDEN_DUE_TO_SECURITY_REASONS' } }, { readOnly: true }),
  dynamodb('ExecuteStatement', { statement: 'SELECT * FROM "orders"' }),
  dynamodb('BatchWriteItem', { requestItems: {} }, { resources: undefined }),
  dynamodb('DescribeTable', { tableName: 'orders' }, { readOnly: true }),

  call('ec2.amazonaws.com', 'TerminateInstances', {
    requestParameters: {
      instancesSet: { items: [{ instanceId: 'i-0a1b2c3d4e5f60718' }, { instanceId: 'i-0a1b2c3d' }] },
    },
    responseElements: {
      instancesSet: { items: [{ instanceId: 'i-0a1b2c3d4e5f60718', currentState: { name: 'shutting-down' } }] },
    },
  }),
  call('ssm.amazonaws.com', 'StartSession', {
    requestParameters: { target: 'i-0a1b2c3d4e5f60718' },
    responseElements: { sessionId: 's-1', tokenValue: 'secret-token', streamUrl: 'wss://example.com' },
  }),
  call('ec2.amazonaws.com', 'CreateVolume', {
    eventType: 'AwsVpceEvent',
    eventCategory: 'NetworkActivity',
    errorCode: 'VpceAccessDenied',
    errorMessage: 'The request was denied due to a VPC endpoint policy',
    vpcEndpointId: 'vpce-0a1b2c3d',
    vpcEndpointAccountId: account,
  }),
  {
    eventVersion: '1.0',
    eventId: 'aggregated',
    accountId: account,
    awsRegion: 'eu-west-1',
    eventCategory: 'Aggregated',
    eventType: 'AwsAggregatedEvent',
    eventSource: 's3.amazonaws.com',
    timeWindow: { windowStart: '2026-11-05T09:00:00Z', windowEnd: '2026-11-05T09:05:00Z', windowSize: 'PT5M' },
    summary: { primaryDimension: { dimension: 'eventName', statistics: [{ name: 'GetObject', value: 120 }] } },
  },
];
