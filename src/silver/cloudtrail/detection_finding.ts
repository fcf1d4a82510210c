import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, equals, isoTime, jsonOrText, text, when } from '../../sql/functions.ts';
import { literal, sql } from '../../sql/sql.ts';
import { detectionFinding } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';

const events = { insight: { '*': 1 } } as const;

/** CloudTrail Insights: unusual call or error rates; the Start and End event of one insight share a correlation uid. */
export default defineMapping({
  source: cloudtrail,
  class: detectionFinding,
  events,
  parse: (record) => ({
    insight: parse(record.insightDetails, {
      state: text,
      eventSource: text,
      eventName: text,
      insightType: text,
      errorCode: text,
    }),
  }),
  columns: (record, { insight }) => ({
    activity_id: when([[equals(insight.state, 'End'), literal(3)]], activityOf(events)),
    'api.operation': coalesce(insight.eventName, record.eventName),
    'api.response.error': insight.errorCode,
    'api.service.name': coalesce(insight.eventSource, record.eventSource),
    'cloud.account.type_id': literal(10),
    'cloud.account.uid': record.recipientAccountId,
    'cloud.provider': literal('AWS'),
    'cloud.region': record.awsRegion,
    evidences: objects('evidences', { data: jsonOrText(record.insightDetails) }),
    'finding_info.analytic.name': bronze.action,
    'finding_info.analytic.type_id': literal(2),
    'finding_info.created_time': isoTime(record.eventTime),
    'finding_info.title': sql<string>`concat_ws(' ', ${bronze.action} || ':', ${insight.eventSource}, ${insight.eventName}, ${insight.errorCode})`,
    'finding_info.uid': coalesce(record.sharedEventID, bronze.uid),
    'metadata.correlation_uid': record.sharedEventID,
    'metadata.event_code': bronze.action,
    'metadata.log_version': record.eventVersion,
    'metadata.product.feature.name': record.eventCategory,
    'metadata.product.name': literal('CloudTrail'),
    'metadata.product.vendor_name': literal('AWS'),
    severity_id: literal(2),
    status_id: literal(1),
  }),
});
