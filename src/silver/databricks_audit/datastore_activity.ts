import { databricksAudit } from '../../bronze/databricks_audit.ts';
import {
  and,
  coalesce,
  concat,
  equals,
  isNotNull,
  isNull,
  lookup,
  lower,
  matches,
  nullIf,
  or,
  regexExtract,
  startsWith,
  text,
  when,
} from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { datastoreActivity } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, origin, params, secondsAsMillis } from './event.ts';

const events = {
  databrickssql: {
    commandFinish: 4,
    commandSubmit: 4,
    executeAdhocQuery: 4,
    executeFastQuery: 4,
    executeSavedQuery: 4,
    executeWidgetQuery: 4,
  },
  jobs: { runCommand: 4 },
  notebook: { runCommand: 4, submitCommand: 4 },
  unityCatalog: {
    deltaSharingProxyQueryTable: 1,
    deltaSharingProxyQueryTableChanges: 1,
    deltaSharingQueriedTable: 1,
    deltaSharingQueriedTableChanges: 1,
    deltaSharingQueryTable: 1,
    deltaSharingQueryTableChanges: 1,
    generateTemporaryPathCredential: 1,
    generateTemporaryTableCredential: 1,
    generateTemporaryVolumeCredential: 1,
  },
  vectorSearch: {
    deleteDataVectorIndex: 7,
    queryVectorIndex: 4,
    queryVectorIndexNextPage: 4,
    queryVectorIndexRouteOptimized: 4,
    scanVectorIndex: 1,
    upsertDataVectorIndex: 5,
  },
} as const;

const WRITES = '(?i:write|create)';
const NAMES = { databrickssql: 'Databricks SQL', unityCatalog: 'Unity Catalog' } as const;
const KINDS = { databrickssql: 1, unityCatalog: 1, vectorSearch: 7 } as const;
const STORES = { abfs: 2, abfss: 2, gs: 3, s3: 1, s3a: 1, wasbs: 2 } as const;

/** Commands and queries, and the keys to tables, volumes and paths that Unity Catalog hands out. */
export default defineMapping({
  source: databricksAudit,
  class: datastoreActivity,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      clusterId: text,
      commandId: text,
      commandText: text,
      dataSourceId: text,
      executionTime: text,
      index_name: text,
      metastore_id: text,
      name: text,
      operation: text,
      query_text: text,
      schema: text,
      share: text,
      share_name: text,
      status: text,
      table_full_name: text,
      table_id: text,
      table_url: text,
      url: text,
      volume_full_name: text,
      volume_id: text,
      volume_storage_location: text,
      volume_url: text,
      warehouseId: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const shared = event(record);
    const command = named('command', nullIf(coalesce(p.commandText, p.query_text), '__REDACTED__'));
    const outcome = lookup(lower(p.status), { error: 2, failed: 2, finished: 1 });
    const place = named('place', coalesce(p.url, p.table_url, p.volume_url, p.volume_storage_location));
    const scheme = named('scheme', regexExtract(place, '^([A-Za-z0-9]+):', 1));
    const bucket = named('bucket', coalesce(p.volume_full_name, place));
    const shareTable = concat(coalesce(p.share, p.share_name), literal('.'), p.schema, literal('.'), p.name);
    const ofShare = startsWith(bronze.action, 'deltaSharing');
    const table = named('table_name', coalesce(p.table_full_name, when([[ofShare, coalesce(shareTable, p.name)]])));
    return {
      ...actor(record),
      ...shared,
      ...origin(record),
      activity_id: when([[and(isNotNull(p.operation), matches(p.operation, WRITES)), literal(5)]], activityOf(events)),
      activity_name: bronze.action,
      'database.name': coalesce(p.index_name, lookup(bronze.service, NAMES, bronze.service)),
      'database.type': bronze.service,
      'database.type_id': lookup(bronze.service, KINDS, literal(99)),
      'database.uid': coalesce(p.warehouseId, p.metastore_id, p.clusterId, p.dataSourceId),
      'databucket.name': bucket,
      'databucket.type': coalesce(scheme, literal('volume')),
      'databucket.type_id': lookup(lower(scheme), STORES, literal(99)),
      'databucket.uid': p.volume_id,
      duration: secondsAsMillis(p.executionTime),
      'query_info.query_string': command,
      'query_info.uid': coalesce(p.commandId, shared['api.request.uid']),
      status_id: when(
        [
          [equals(outcome, 2), literal(2)],
          [and(isNull(shared['api.response.code']), equals(outcome, 1)), literal(1)],
        ],
        shared.status_id,
      ),
      'table.name': table,
      'table.uid': p.table_id,
      type_id: when(
        [
          [or(isNotNull(table), isNotNull(p.table_id)), literal(3)],
          [or(isNotNull(bucket), isNotNull(p.volume_id)), literal(2)],
        ],
        literal(1),
      ),
    };
  },
});
