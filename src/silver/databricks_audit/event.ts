import type { databricksAudit } from '../../bronze/databricks_audit.ts';
import {
  coalesce,
  email,
  integer,
  ipAddress,
  isIn,
  isNull,
  isUuid,
  jsonField,
  jsonOrText,
  matches,
  nullIf,
  splitPart,
  when,
} from '../../sql/functions.ts';
import type { Fields } from '../../sql/record.ts';
import { literal, named, type Sql, sql } from '../../sql/sql.ts';
import { bronze } from '../mapping.ts';

export type AuditRecord = Fields<typeof databricksAudit.shape>;

const PLACEHOLDERS = ['', '-', 'null', 'unknown', '__REDACTED__'];
const NO_ADDRESS = ['', '0.0.0.0', '127.0.0.1', '::1', '0:0:0:0:0:0:0:1%0', '0:0:0:0:0:0:0:1'];
const WITH_PORT = '^[0-9.]+:[0-9]+$';

const given = (value: Sql<string>): Sql<string> => nullIf(value, ...PLACEHOLDERS);

/** The parameters of the call, as JSON text. */
export const params = (record: AuditRecord): Sql<string> =>
  named('request_params', coalesce(record.requestParams, record.request_params, record.properties.requestParams));

/** The signed-in principal: an e-mail address, a service principal's application id or `System-User`. */
export const principal = (record: AuditRecord): Sql<string> =>
  named(
    'principal',
    coalesce(
      given(coalesce(record.identityMetadata.runBy, record.identity_metadata.run_by)),
      given(coalesce(record.userIdentity.email, record.user_identity.email)),
      given(jsonField(record.identity, 'email')),
    ),
  );

/** What kind of user a principal is: an application id is a service, `System-User` the system. */
export const principalType = (who: Sql<string>) =>
  when(
    [
      [isNull(who), literal(0)],
      [isUuid(who), literal(4)],
      [isIn(who, ['System-User']), literal(3)],
    ],
    literal(1),
  );

/** What every audit record says, whatever its class. */
export const event = (record: AuditRecord) => {
  const who = principal(record);
  const address = coalesce(record.sourceIPAddress, record.source_ip_address, record.properties.sourceIPAddress);
  const bare = named(
    'address',
    nullIf(when([[matches(address, WITH_PORT), splitPart(address, ':', 1)]], address), ...NO_ADDRESS),
  );
  const status = named(
    'status_text',
    coalesce(
      record.response.statusCode,
      record.response.status_code,
      jsonField(record.properties.response, 'statusCode'),
    ),
  );
  const message = named(
    'error_text',
    coalesce(
      record.response.errorMessage,
      record.response.error_message,
      jsonField(record.properties.response, 'errorMessage'),
    ),
  );
  const result = named(
    'result_text',
    coalesce(record.response.result, jsonField(record.properties.response, 'result')),
  );
  const account = coalesce(record.accountId, record.account_id);
  const workspace = coalesce(record.workspaceId, record.workspace_id, record.orgId, record.resourceId);
  return {
    'actor.session.uid': nullIf(coalesce(record.sessionId, record.session_id, record.properties.sessionId), ''),
    'actor.app_name': when([[isNull(who), bronze.service]]),
    'actor.user.email_addr': email(who),
    'actor.user.name': who,
    'actor.user.type_id': principalType(who),
    'actor.user.uid': who,
    'api.operation': bronze.action,
    'api.request.data': jsonOrText(nullIf(params(record), '')),
    'api.request.uid': nullIf(coalesce(record.requestId, record.request_id, record.properties.requestId), ''),
    'api.response.code': integer(status),
    'api.response.data': jsonOrText(nullIf(result, '')),
    'api.response.error_message': nullIf(message, ''),
    'api.service.name': bronze.service,
    'cloud.account.uid': account,
    'cloud.org.uid': workspace,
    'cloud.provider': literal('Databricks'),
    'http_request.user_agent': given(coalesce(record.userAgent, record.user_agent, record.properties.userAgent)),
    'metadata.event_code': sql<string>`(${bronze.service} || '.' || ${bronze.action})`,
    'metadata.log_version': coalesce(record.version, record.operationVersion),
    'metadata.product.name': literal('Databricks'),
    'metadata.product.vendor_name': literal('Databricks'),
    'metadata.tenant_uid': account,
    severity_id: literal(1),
    'src_endpoint.ip': ipAddress(bare),
    'src_endpoint.svc_name': when([[isNull(ipAddress(bare)), coalesce(bare, literal('Databricks'))]]),
    status_code: status,
    status_detail: nullIf(message, ''),
    status_id: when(
      [
        [isNull(integer(status)), literal(0)],
        [sql`${integer(status)} >= 400`, literal(2)],
      ],
      literal(1),
    ),
  };
};

/** The port of a source address that has one, of which 0 says nothing. */
export const sourcePort = (record: AuditRecord): Sql<number> => {
  const address = coalesce(record.sourceIPAddress, record.source_ip_address);
  return when([[matches(address, WITH_PORT), sql<number>`nullif(${integer(splitPart(address, ':', 2))}, 0)`]]);
};
