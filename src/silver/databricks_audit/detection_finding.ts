import { databricksAudit } from '../../bronze/databricks_audit.ts';
import {
  coalesce,
  concat,
  equals,
  integer,
  isNotNull,
  jsonOrText,
  lookup,
  nullIf,
  regexExtract,
  text,
  when,
} from '../../sql/functions.ts';
import { identifier, literal, sql } from '../../sql/sql.ts';
import { detectionFinding } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { severities } from './esm.ts';
import { event, params } from './event.ts';

const events = {
  'capsule8-alerts-dataplane': { '*': 1 },
  'clamAVScanService-dataplane': { '*': 1 },
} as const;

/** Alerts of Enhanced Security Monitoring: Capsule8 behaviour alerts and ClamAV scan lines. */
export default defineMapping({
  source: databricksAudit,
  class: detectionFinding,
  events,
  parse: (record) => ({
    params: parse(params(record), { instanceId: text }),
  }),
  columns: (record, { params: p }) => {
    const {
      'actor.session.uid': _session,
      'actor.app_name': _app,
      'actor.user.email_addr': _email,
      ...shared
    } = event(record);
    const result = record.response.result;
    const virus = regexExtract(result, ': (.+) FOUND$', 1);
    const infected = integer(regexExtract(result, 'Infected files: ([0-9]+)', 1));
    const clam = equals(bronze.service, 'clamAVScanService-dataplane');
    return {
      activity_id: activityOf(events),
      'api.operation': shared['api.operation'],
      'api.request.uid': shared['api.request.uid'],
      'api.response.code': shared['api.response.code'],
      'api.response.error_message': shared['api.response.error_message'],
      'api.service.name': shared['api.service.name'],
      'cloud.account.uid': shared['cloud.account.uid'],
      'cloud.org.uid': shared['cloud.org.uid'],
      'cloud.provider': shared['cloud.provider'],
      'device.instance_uid': p.instanceId,
      'device.type_id': literal(6),
      evidences: objects('evidences', {
        data: jsonOrText(nullIf(result, '')),
        'device.instance_uid': p.instanceId,
        'device.type_id': literal(6),
        'file.name': when([[isNotNull(virus), regexExtract(result, '([^/]+): [^:]+ FOUND$', 1)]]),
        'file.path': when([[isNotNull(virus), regexExtract(result, '^(.*): [^:]+ FOUND$', 1)]]),
        'file.type_id': literal(1),
      }),
      'finding_info.analytic.name': bronze.action,
      'finding_info.analytic.type_id': literal(1),
      'finding_info.product.name': when([[clam, literal('ClamAV')]], literal('Capsule8')),
      'finding_info.title': when(
        [
          [isNotNull(virus), concat(literal('ClamAV: '), virus)],
          [clam, literal('ClamAV scan')],
        ],
        bronze.action,
      ),
      'finding_info.uid': coalesce(shared['api.request.uid'], identifier<string>('uid')),
      is_alert: when([[clam, sql<boolean>`(${isNotNull(virus)} OR coalesce(${infected}, 0) > 0)`]], literal(true)),
      'metadata.event_code': shared['metadata.event_code'],
      'metadata.log_version': shared['metadata.log_version'],
      'metadata.product.feature.name': literal('Enhanced Security Monitoring'),
      'metadata.product.name': literal('Databricks'),
      'metadata.product.vendor_name': literal('Databricks'),
      'metadata.tenant_uid': shared['metadata.tenant_uid'],
      severity_id: when(
        [
          [isNotNull(virus), literal(4)],
          [sql`${infected} > 0`, literal(4)],
          [clam, literal(1)],
        ],
        lookup(bronze.action, severities, literal(3)),
      ),
      status_code: shared.status_code,
      status_detail: shared.status_detail,
      status_id: literal(1),
    };
  },
});
