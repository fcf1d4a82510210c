import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, concat, isoTime, jsonField } from '../../sql/functions.ts';
import { literal, sql } from '../../sql/sql.ts';
import { baseEvent } from '../class.ts';
import { defineMapping } from '../mapping.ts';

/** Aggregated events: counts of data events over five minutes, which are no calls of anybody. */
export default defineMapping({
  source: cloudtrail,
  class: baseEvent,
  events: { aggregated: { '*': 99 } },
  columns: (record) => {
    const kind = coalesce(record.eventType, literal('Aggregated'));
    return {
      activity_id: literal(99),
      activity_name: kind,
      'cloud.account.type_id': literal(10),
      'cloud.account.uid': coalesce(record.accountId, record.recipientAccountId),
      'cloud.provider': literal('AWS'),
      'cloud.region': record.awsRegion,
      end_time: isoTime(record.timeWindow.windowEnd),
      message: sql<string>`coalesce(${record.eventSource}, 'Events') || ' by ' || coalesce(${jsonField(record.summary, 'primaryDimension', 'dimension')}, 'window')`,
      'metadata.event_code': record.eventType,
      'metadata.log_version': record.eventVersion,
      'metadata.product.feature.name': record.eventCategory,
      'metadata.product.name': literal('CloudTrail'),
      'metadata.product.vendor_name': literal('AWS'),
      severity_id: literal(1),
      start_time: isoTime(record.timeWindow.windowStart),
      type_name: concat(literal('Base Event: '), kind),
    };
  },
});
