import { databricksAudit } from '../../bronze/databricks_audit.ts';
import {
  and,
  coalesce,
  concat,
  equals,
  integer,
  isNotNull,
  isoTime,
  jsonOrText,
  lookup,
  or,
  regexExtract,
  text,
  when,
} from '../../sql/functions.ts';
import { call, literal, named, sql } from '../../sql/sql.ts';
import { detectionFinding } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { severities } from './esm.ts';
import { event, origin, params, result } from './event.ts';

const events = {
  'capsule8-alerts-dataplane': { '*': 1 },
  'clamAVScanService-dataplane': { '*': 1 },
} as const;

const PRIORITIES = { CRITICAL: 5, HIGH: 4, LOW: 2, MEDIUM: 3 } as const;

/** Alerts of Enhanced Security Monitoring: Capsule8 behaviour and file integrity alerts, and ClamAV scan lines. */
export default defineMapping({
  source: databricksAudit,
  class: detectionFinding,
  events,
  parse: (record) => ({
    params: parse(params(record), { instanceId: text }),
    alert: parse(result(record), {
      Description: text,
      Priority: text,
      ProcessInfo: { Path: text, Pid: text, User: text },
      Timestamp: text,
    }),
  }),
  columns: (record, { params: p, alert }) => {
    const { 'http_request.user_agent': _, ...shared } = { ...event(record), ...origin(record) };
    const line = result(record);
    const virus = named('virus', regexExtract(line, ': (.+) FOUND$', 1));
    const infected = named('infected', integer(regexExtract(line, 'Infected files: ([0-9]+)', 1)));
    const clam = equals(bronze.service, 'clamAVScanService-dataplane');
    const found = or(isNotNull(virus), sql`coalesce(${infected}, 0) > 0`);
    const process = alert.ProcessInfo;
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
        data: jsonOrText(line),
        'device.instance_uid': p.instanceId,
        'device.type_id': literal(6),
        'file.name': when([[isNotNull(virus), regexExtract(line, '([^/]+): [^:]+ FOUND$', 1)]]),
        'file.path': when([[isNotNull(virus), regexExtract(line, '^(.*): [^:]+ FOUND$', 1)]]),
        'file.type_id': literal(1),
        'process.name': regexExtract(process.Path, '([^/]+)$', 1),
        'process.path': process.Path,
        'process.pid': integer(process.Pid),
        'process.user.name': process.User,
      }),
      'finding_info.analytic.name': bronze.action,
      'finding_info.analytic.type_id': literal(1),
      'finding_info.created_time': isoTime(alert.Timestamp),
      'finding_info.desc': alert.Description,
      'finding_info.product.name': when([[clam, literal('ClamAV')]], literal('Capsule8')),
      'finding_info.title': when(
        [
          [isNotNull(virus), concat(literal('ClamAV: '), virus)],
          [clam, literal('ClamAV scan')],
        ],
        bronze.action,
      ),
      'finding_info.uid': coalesce(shared['metadata.correlation_uid'], bronze.uid),
      is_alert: when([[clam, found]], literal(true)),
      malware: objects('malware', {
        classification_ids: call<readonly 0[]>((f) => f.list([literal(0)])),
        name: when([[clam, virus]]),
        provider: literal('ClamAV'),
      }),
      'malware_scan_info.name': when([[and(clam, isNotNull(infected)), literal('ClamAV scan')]]),
      'malware_scan_info.num_infected': infected,
      'malware_scan_info.type_id': literal(0),
      'metadata.correlation_uid': shared['metadata.correlation_uid'],
      'metadata.event_code': shared['metadata.event_code'],
      'metadata.log_level': shared['metadata.log_level'],
      'metadata.log_version': shared['metadata.log_version'],
      'metadata.product.feature.name': literal('Enhanced Security Monitoring'),
      'metadata.product.name': shared['metadata.product.name'],
      'metadata.product.vendor_name': shared['metadata.product.vendor_name'],
      'metadata.tenant_uid': shared['metadata.tenant_uid'],
      severity_id: when(
        [
          [and(clam, found), literal(4)],
          [clam, literal(1)],
        ],
        lookup(bronze.action, severities, lookup(alert.Priority, PRIORITIES, literal(3))),
      ),
      status_code: shared.status_code,
      status_detail: shared.status_detail,
      status_id: literal(1),
    };
  },
});
