import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, equals, text, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { accountChange } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { event, failed, identity } from './event.ts';

const events = {
  'iam.amazonaws.com': {
    CreateUser: 1,
    UpdateUser: 99,
    DeleteUser: 6,
    CreateLoginProfile: 4,
    UpdateLoginProfile: 4,
    DeleteLoginProfile: 5,
    ChangePassword: 3,
    CreateAccessKey: 99,
    UpdateAccessKey: 99,
    DeleteAccessKey: 99,
    CreateServiceSpecificCredential: 99,
    UpdateServiceSpecificCredential: 99,
    ResetServiceSpecificCredential: 99,
    DeleteServiceSpecificCredential: 99,
    UploadSSHPublicKey: 99,
    UpdateSSHPublicKey: 99,
    DeleteSSHPublicKey: 99,
    UploadSigningCertificate: 99,
    UpdateSigningCertificate: 99,
    DeleteSigningCertificate: 99,
    EnableMFADevice: 10,
    DeactivateMFADevice: 11,
    ResyncMFADevice: 99,
    CreateVirtualMFADevice: 99,
    DeleteVirtualMFADevice: 99,
    AttachUserPolicy: 7,
    DetachUserPolicy: 8,
    PutUserPolicy: 7,
    DeleteUserPolicy: 8,
    PutUserPermissionsBoundary: 7,
    DeleteUserPermissionsBoundary: 8,
    TagUser: 99,
    UntagUser: 99,
    CreateRole: 1,
    UpdateRole: 99,
    UpdateRoleDescription: 99,
    UpdateAssumeRolePolicy: 99,
    DeleteRole: 6,
    CreateServiceLinkedRole: 1,
    DeleteServiceLinkedRole: 6,
    AttachRolePolicy: 7,
    DetachRolePolicy: 8,
    PutRolePolicy: 7,
    DeleteRolePolicy: 8,
    PutRolePermissionsBoundary: 7,
    DeleteRolePermissionsBoundary: 8,
    TagRole: 99,
    UntagRole: 99,
    CreateInstanceProfile: 99,
    DeleteInstanceProfile: 99,
    AddRoleToInstanceProfile: 99,
    RemoveRoleFromInstanceProfile: 99,
  },
  'signin.amazonaws.com': {
    PasswordUpdated: 3,
    PasswordRecoveryRequested: 99,
    PasswordRecoveryCompleted: 4,
    EmailUpdated: 99,
  },
} as const;

/** Changes to IAM users and roles: themselves, their credentials, MFA devices and policies. */
export default defineMapping({
  source: cloudtrail,
  class: accountChange,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      userName: text,
      roleName: text,
      status: text,
      policyArn: text,
      policyName: text,
      permissionsBoundary: text,
      instanceProfileName: text,
      aWSServiceName: text,
    }),
    result: parse(record.responseElements, {
      user: { arn: text, userId: text, userName: text },
      role: { arn: text, roleId: text, roleName: text },
      accessKey: { accessKeyId: text, userName: text },
    }),
  }),
  columns: (record, { params, result }) => {
    const who = identity(record);
    const target = coalesce(
      params.userName,
      result.user.userName,
      result.accessKey.userName,
      params.roleName,
      result.role.roleName,
    );
    return {
      ...event(record),
      activity_id: when(
        [
          [equals(params.status, 'Inactive'), literal(5)],
          [equals(params.status, 'Active'), literal(2)],
        ],
        activityOf(events),
      ),
      activity_name: record.eventName,
      policies: objects('policy', {
        name: params.policyName,
        uid: coalesce(params.policyArn, params.permissionsBoundary),
      }),
      status_id: when([[failed(record), literal(2)]], literal(1)),
      'user.account.uid': record.userIdentity.accountId,
      'user.name': coalesce(target, params.instanceProfileName, params.aWSServiceName, who.name, literal('unknown')),
      'user.uid': coalesce(result.user.arn, result.role.arn, when([[equals(target, who.name), who.uid]])),
    };
  },
});
