import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { and, coalesce, equals, isIn, isNotNull, isNull, matches, or, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { accountChange } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { event, identity, outcome, refused } from './event.ts';

const events = {
  'iam.amazonaws.com': {
    AttachRolePolicy: 7,
    AttachUserPolicy: 7,
    ChangePassword: 3,
    CreateAccessKey: 99,
    CreateLoginProfile: 4,
    CreateRole: 1,
    CreateServiceLinkedRole: 1,
    CreateServiceSpecificCredential: 99,
    CreateUser: 1,
    CreateVirtualMFADevice: 99,
    DeactivateMFADevice: 11,
    DeleteAccessKey: 99,
    DeleteLoginProfile: 5,
    DeleteRole: 6,
    DeleteRolePermissionsBoundary: 8,
    DeleteRolePolicy: 8,
    DeleteSSHPublicKey: 99,
    DeleteServiceLinkedRole: 6,
    DeleteServiceSpecificCredential: 99,
    DeleteSigningCertificate: 99,
    DeleteUser: 6,
    DeleteUserPermissionsBoundary: 8,
    DeleteUserPolicy: 8,
    DeleteVirtualMFADevice: 99,
    DetachRolePolicy: 8,
    DetachUserPolicy: 8,
    EnableMFADevice: 10,
    PutRolePermissionsBoundary: 7,
    PutRolePolicy: 7,
    PutUserPermissionsBoundary: 7,
    PutUserPolicy: 7,
    ResetServiceSpecificCredential: 99,
    ResyncMFADevice: 99,
    TagRole: 99,
    TagUser: 99,
    UntagRole: 99,
    UntagUser: 99,
    UpdateAccessKey: 99,
    UpdateAssumeRolePolicy: 99,
    UpdateLoginProfile: 4,
    UpdateRole: 99,
    UpdateRoleDescription: 99,
    UpdateSSHPublicKey: 99,
    UpdateServiceSpecificCredential: 99,
    UpdateSigningCertificate: 99,
    UpdateUser: 99,
    UploadSSHPublicKey: 99,
    UploadSigningCertificate: 99,
  },
  'identitystore.amazonaws.com': { CreateUser: 1, DeleteUser: 6, UpdateUser: 99 },
  'signin.amazonaws.com': {
    EmailUpdated: 99,
    PasswordRecoveryCompleted: 4,
    PasswordRecoveryRequested: 99,
    PasswordUpdated: 3,
  },
  'sso-directory.amazonaws.com': {
    CompleteVirtualMfaDeviceRegistration: 10,
    CompleteWebAuthnDeviceRegistration: 10,
    CreateUser: 1,
    DeleteMfaDeviceForUser: 11,
    DeleteUser: 6,
    DisableUser: 5,
    EnableUser: 2,
    StartVirtualMfaDeviceRegistration: 99,
    StartWebAuthnDeviceRegistration: 99,
    UpdateMfaDeviceForUser: 99,
    UpdatePassword: 4,
    UpdateUser: 99,
    UpdateUserName: 99,
    VerifyEmail: 99,
  },
} as const;

/** Calls that are about the caller's own user where they name none. */
const OWN =
  '^(ChangePassword|(Create|Delete|Update)(AccessKey|LoginProfile)|DeactivateMFADevice|(Create|Delete|Reset|Update)ServiceSpecificCredential|(Delete|Update|Upload)(SSHPublicKey|SigningCertificate)|Email.*|Password.*|.*DeviceRegistration)$';

/** Changes to users and roles of IAM and Identity Center: themselves, their credentials, MFA devices and policies. */
export default defineMapping({
  source: cloudtrail,
  class: accountChange,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      aWSServiceName: text,
      permissionsBoundary: text,
      policyArn: text,
      policyName: text,
      roleName: text,
      status: text,
      userId: text,
      userName: text,
    }),
    result: parse(record.responseElements, {
      accessKey: { userName: text },
      role: { arn: text, roleId: text, roleName: text },
      user: { arn: text, userId: text, userName: text },
      userId: text,
      EmailUpdated: text,
      PasswordRecoveryCompleted: text,
      PasswordRecoveryRequested: text,
      PasswordUpdated: text,
    }),
  }),
  columns: (record, { params, result }) => {
    const who = identity(record);
    const role = coalesce(params.roleName, result.role.roleName);
    const target = named(
      'target',
      coalesce(
        params.userName,
        result.user.userName,
        result.accessKey.userName,
        role,
        params.aWSServiceName,
        refused(record).name,
      ),
    );
    const uid = named(
      'target_uid',
      coalesce(result.user.arn, result.role.arn, params.userId, result.user.userId, result.userId),
    );
    const own = and(isNull(target), isNull(uid), matches(record.eventName, OWN), isNull(record.errorCode));
    const said = coalesce(
      result.PasswordUpdated,
      result.PasswordRecoveryCompleted,
      result.PasswordRecoveryRequested,
      result.EmailUpdated,
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
      policies: objects('policy', {
        name: params.policyName,
        uid: coalesce(params.policyArn, params.permissionsBoundary),
      }),
      status_id: outcome(record, said, isIn(record.eventSource, ['signin.amazonaws.com'])),
      'user.account.type_id': literal(10),
      'user.account.uid': coalesce(record.recipientAccountId, record.userIdentity.accountId),
      'user.name': coalesce(target, when([[own, who.name]]), when([[isNull(uid), literal('unknown')]])),
      'user.type': literal('Role'),
      'user.type_id': when([[isNotNull(role), literal(99)]], literal(1)),
      'user.uid': coalesce(uid, when([[or(equals(target, who.name), own), who.uid]])),
      'user.uid_alt': coalesce(result.user.userId, result.role.roleId),
    };
  },
});
