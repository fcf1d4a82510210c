import type { databricksAudit } from '../../bronze/databricks_audit.ts';
import {
  and,
  coalesce,
  email,
  equals,
  integer,
  isIn,
  isNotNull,
  isNull,
  isUuid,
  jsonField,
  jsonOrText,
  matches,
  not,
  nullIf,
  or,
  regexExtract,
  startsWith,
  when,
} from '../../sql/functions.ts';
import type { Fields } from '../../sql/record.ts';
import { call, conversion, literal, named, type Sql, sql } from '../../sql/sql.ts';
import { address } from '../address.ts';
import { bronze } from '../mapping.ts';

export type AuditRecord = Fields<typeof databricksAudit.shape>;

const NOBODY = ['unknown', '__REDACTED__'];
const TRUNCATED = '[.][.][.] truncated|"TRUNCATED"';

/** A principal; the words for nobody stay in `unmapped`. */
const somebody = (value: Sql<string>): Sql<string> => conversion(value, nullIf(value, ...NOBODY));

/** The parameters of the call, as JSON text. */
export const params = (record: AuditRecord): Sql<string> =>
  named('request_params', coalesce(record.requestParams, record.request_params, record.properties.requestParams));

/** What the call gave back, as text or JSON. */
export const result = (record: AuditRecord): Sql<string> =>
  named('result', coalesce(record.response.result, jsonField(record.properties.response, 'result')));

/** Who did it: an e-mail address, a service principal's application id or `System-User`; for a job or an app the one who ran it. */
export const principal = (record: AuditRecord): Sql<string> => {
  const runBy = named('run_by', somebody(coalesce(record.identityMetadata.runBy, record.identity_metadata.run_by)));
  const email = coalesce(record.userIdentity.email, record.user_identity.email);
  const own = and(isNotNull(email), not(isIn(email, NOBODY)), or(isNull(runBy), equals(runBy, email)));
  const signedIn = named('signed_in', conversion(email, when([[own, email]])));
  return named('principal', coalesce(runBy, signedIn, somebody(jsonField(record.identity, 'email'))));
};

/** The attributes of a user of whom only the name is known; an application id is a service, `System-User` the system. */
export const userOf = (who: Sql<string>) => ({
  email_addr: email(who),
  name: who,
  type_id: when(
    [
      [isNull(who), literal(0)],
      [isUuid(who), literal(4)],
      [isIn(who, ['System-User']), literal(3)],
    ],
    literal(1),
  ),
  uid: who,
});

const account = (record: AuditRecord): Sql<string> => coalesce(record.accountId, record.account_id);

/** The workspace; events of the account name it in their parameters, if at all. */
export const workspace = (record: AuditRecord): Sql<string> => {
  const own = coalesce(record.workspaceId, record.workspace_id, record.orgId);
  const real = named('own_workspace', conversion(own, nullIf(own, '0')));
  return named('workspace', coalesce(real, record.resourceId, jsonField(params(record), 'workspace_id')));
};

const status = (record: AuditRecord) => {
  const { response, properties } = record;
  const inside = (member: string): Sql<string> => jsonField(properties.response, member);
  const code = coalesce(
    response.statusCode,
    response.status_code,
    conversion(properties.response, inside('statusCode')),
  );
  const said = coalesce(response.errorMessage, response.error_message, inside('errorMessage'));
  const text = named('status_text', code);
  const number = named('status_number', integer(text));
  const message = named('error_text', said);
  return {
    text,
    number,
    message,
    failed: sql<boolean>`(${number} >= 400 OR (${number} IS NULL AND ${message} IS NOT NULL))`,
    denied: sql<boolean>`(${number} IN (401, 403) OR ${startsWith(message, 'PERMISSION_DENIED')})`,
  };
};

/** What every audit record says, whatever its class: the call, its outcome and where it belongs. */
export const event = (record: AuditRecord) => {
  const { text, number, message, failed, denied } = status(record);
  const onAzure = isNotNull(record.resourceId);
  const subscription = regexExtract(record.resourceId, '^/(?i:subscriptions)/([^/]+)', 1);
  const request = named('request_id', coalesce(record.requestId, record.request_id, record.properties.requestId));
  const verdict = when(
    [
      [denied, literal(2)],
      [sql<boolean>`${number} < 400`, literal(1)],
    ],
    literal(0),
  );
  return {
    action_id: verdict,
    'api.operation': bronze.action,
    'api.request.data': jsonOrText(params(record)),
    'api.request.uid': coalesce(request, when([[isNotNull(params(record)), bronze.uid]])),
    'api.response.code': number,
    'api.response.data': jsonOrText(result(record)),
    'api.response.error_message': message,
    'api.service.name': bronze.service,
    'cloud.account.uid': coalesce(account(record), subscription),
    'cloud.org.uid': workspace(record),
    'cloud.provider': when([[onAzure, literal('Azure')]], literal('Databricks')),
    disposition_id: verdict,
    'metadata.correlation_uid': request,
    'metadata.event_code': sql<string>`(${bronze.service} || '.' || ${bronze.action})`,
    'metadata.is_truncated': when([[matches(params(record), TRUNCATED), literal(true)]]),
    'metadata.log_level': coalesce(record.auditLevel, record.audit_level),
    'metadata.log_version': coalesce(record.version, record.operationVersion),
    'metadata.product.name': literal('Databricks'),
    'metadata.product.vendor_name': literal('Databricks'),
    'metadata.tenant_uid': account(record),
    severity_id: literal(1),
    status_code: text,
    status_detail: message,
    status_id: when(
      [
        [failed, literal(2)],
        [isNull(number), literal(0)],
      ],
      literal(1),
    ),
  };
};

/** Who acted: the user, or the service itself where there is none. */
export const actor = (record: AuditRecord) => {
  const who = principal(record);
  const { identityMetadata: camel, identity_metadata: snake } = record;
  const user = userOf(who);
  return {
    'actor.app_name': when([[isNull(who), bronze.service]]),
    'actor.app_uid': coalesce(camel.actingResource, snake.acting_resource),
    'actor.session.uid': coalesce(record.sessionId, record.session_id, record.properties.sessionId),
    'actor.user.display_name': coalesce(camel.runByDisplayName, snake.run_by_display_name),
    'actor.user.email_addr': user.email_addr,
    'actor.user.name': user.name,
    'actor.user.type_id': user.type_id,
    'actor.user.uid': user.uid,
  };
};

/** From where the call came: an address without port and zone, else the name that stands in its place. */
export const origin = (record: AuditRecord) => {
  const text = coalesce(record.sourceIPAddress, record.source_ip_address, record.properties.sourceIPAddress);
  const { host, ip, port } = address('source', text);
  const agent = coalesce(record.userAgent, record.user_agent, record.properties.userAgent);
  return {
    'http_request.user_agent': nullIf(agent, 'unknown'),
    'src_endpoint.ip': ip,
    'src_endpoint.port': port,
    'src_endpoint.svc_name': when([[isNull(ip), coalesce(host, literal('Databricks'))]]),
  };
};

/** The texts of a JSON list, the text itself where it is none, or `otherwise` where there is nothing. */
export const textsOf = (value: Sql<string>, otherwise: Sql<string>): Sql<readonly string[]> =>
  call((f) => {
    const listed = sql`CASE WHEN ${f.startsWith(value, literal('['))} AND ${f.isJson(value)} THEN ${f.listFromJson(value)} ELSE ${f.list([value])} END`;
    const said = f.filter(listed, (e) => sql`${e} <> ''`);
    return sql`CASE WHEN ${f.size(said)} > 0 THEN ${said} ELSE ${f.list([otherwise])} END`;
  });

const SECONDS = '^([0-9]{1,9}([.][0-9]+)?|[0-9][.][0-9]+E(-[0-9]{1,2}|[78]))$';
/** Milliseconds of a number of seconds with decimals; Spark writes those of JSON below a thousandth and from ten million on with an exponent. */
export const secondsAsMillis = (value: Sql<string>): Sql<bigint> =>
  call((f) =>
    f.cast(
      sql`round(${f.cast(sql`CASE WHEN ${f.matches(value, SECONDS)} THEN ${value} END`, 'double')} * 1000)`,
      'long',
    ),
  );
