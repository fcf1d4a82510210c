import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, equals, matches, not, regexExtract, text, when } from '../../sql/functions.ts';
import { literal, named, type Sql } from '../../sql/sql.ts';
import { datastoreActivity } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { event, outcome } from './event.ts';

const objects = {
  AbortMultipartUpload: 7,
  CompleteMultipartUpload: 5,
  CopyObject: 5,
  CreateMultipartUpload: 5,
  CreateSession: 3,
  DeleteObject: 7,
  DeleteObjectTagging: 2,
  DeleteObjects: 7,
  GetObject: 1,
  GetObjectAcl: 1,
  GetObjectAttributes: 1,
  GetObjectLegalHold: 1,
  GetObjectLockLegalHold: 1,
  GetObjectLockRetention: 1,
  GetObjectRetention: 1,
  GetObjectTagging: 1,
  GetObjectTorrent: 1,
  HeadBucket: 1,
  HeadObject: 1,
  ListBucket: 8,
  ListMultipartUploads: 8,
  ListObjectVersions: 8,
  ListObjects: 8,
  ListObjectsV2: 8,
  ListParts: 8,
  PostObject: 5,
  PutObject: 5,
  PutObjectAcl: 2,
  PutObjectLegalHold: 2,
  PutObjectLockLegalHold: 2,
  PutObjectLockRetention: 2,
  PutObjectRetention: 2,
  PutObjectTagging: 2,
  RenameObject: 2,
  RestoreObject: 2,
  SelectObjectContent: 4,
  UploadPart: 5,
  UploadPartCopy: 5,
} as const;
const events = {
  'dynamodb.amazonaws.com': {
    BatchExecuteStatement: 4,
    BatchGetItem: 1,
    BatchWriteItem: 5,
    DeleteItem: 7,
    ExecuteStatement: 4,
    ExecuteTransaction: 4,
    GetItem: 1,
    GetRecords: 1,
    PutItem: 5,
    Query: 4,
    Scan: 4,
    TransactGetItems: 1,
    TransactWriteItems: 5,
    UpdateItem: 2,
  },
  's3-outposts.amazonaws.com': objects,
  's3.amazonaws.com': objects,
  's3express.amazonaws.com': objects,
} as const;

const STORE = '(arn:[a-z-]+:(?:s3:::|dynamodb:[^:"]*:[^:"]*:table/)[^/":*? ]+)';

/** Reads and writes of S3 objects and DynamoDB items: CloudTrail's data events. */
export default defineMapping({
  source: cloudtrail,
  class: datastoreActivity,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, { bucketName: text, key: text, statement: text, tableName: text }),
  }),
  columns: (record, { params }) => {
    const isTable = equals(bronze.service, 'dynamodb.amazonaws.com');
    const ofBucket = (value: Sql<string>): Sql<string> => when([[not(isTable), value]]);
    const ofTable = (value: Sql<string>): Sql<string> => when([[isTable, value]]);
    const arn = named(
      'store_arn',
      coalesce(regexExtract(record.resources, STORE, 1), regexExtract(record.errorMessage, STORE, 1)),
    );
    const name = coalesce(regexExtract(arn, '([^:/]+)$', 1), literal('unknown'));
    const key = named('object_key', ofBucket(params.key));
    return {
      ...event(record),
      activity_id: activityOf(events),
      'databucket.file.name': regexExtract(key, '([^/]+)/?$', 1),
      'databucket.file.path': key,
      'databucket.file.type_id': when([[matches(key, '/$'), literal(2)]], literal(1)),
      'databucket.name': ofBucket(coalesce(params.bucketName, name)),
      'databucket.type_id': literal(1),
      'databucket.uid': ofBucket(arn),
      'query_info.query_string': params.statement,
      'query_info.uid': record.requestID,
      status_id: outcome(record),
      'table.name': ofTable(coalesce(params.tableName, name)),
      'table.uid': ofTable(arn),
      type_id: when([[isTable, literal(3)]], literal(2)),
    };
  },
});
