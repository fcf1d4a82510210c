import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, concat, long, matches, regexExtract, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { fileHosting } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, origin, params } from './event.ts';

const events = {
  databrickssql: { downloadQueryResult: 2 },
  dbfs: { '*': 99, addBlock: 1, create: 1, delete: 4, move: 7, put: 1, read: 2 },
  filesystem: {
    directoriesCreate: 99,
    directoriesDelete: 4,
    directoriesGet: 17,
    directoriesHead: 17,
    filesDelete: 4,
    filesGet: 2,
    filesHead: 17,
    filesPut: 1,
  },
  ingestion: { proxyFileUpload: 1 },
  marketplaceProvider: { uploadFile: 1 },
  mlflowAcledArtifact: { readArtifact: 2, writeArtifact: 1 },
  notebook: { downloadLargeResults: 2, downloadPreviewResults: 2, importNotebook: 1 },
  partnerHub: { downloadPartnerConnectionFile: 2 },
  sql: { downloadPreviewResults: 2 },
  workspace: {
    fileCreate: 1,
    fileDelete: 4,
    fileEditorOpenEvent: 14,
    moveWorkspaceNode: 7,
    renameWorkspaceNode: 5,
    workspaceExport: 2,
  },
  workspaceFiles: { wsfsImportFile: 1, wsfsStreamingRead: 2, wsfsStreamingWrite: 1 },
} as const;

const LAST = '([^/]+)/*$';
const FOLDERS = '^(directories|mkDirs|mkdirs|mount|unmount|updateMount|getSessionCredentials)';

/** Files and results that leave or enter the workspace, DBFS and volumes, and mounts. */
export default defineMapping({
  source: databricksAudit,
  class: fileHosting,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      artifactLocation: text,
      data_length: text,
      destinationPath: text,
      destination_path: text,
      display_name: text,
      dst: text,
      fileType: text,
      handle: text,
      mime_type: text,
      mountPoint: text,
      notebookFullPath: text,
      notebookId: text,
      partner_name: text,
      path: text,
      queryId: text,
      queryResultId: text,
      receivedSize: text,
      source_path: text,
      src: text,
      transferredSize: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const path = named(
      'file_path',
      coalesce(p.notebookFullPath, p.path, p.source_path, p.src, p.mountPoint, p.artifactLocation),
    );
    const result = coalesce(concat(p.queryResultId, literal('.'), p.fileType), p.queryResultId, p.queryId);
    const other = coalesce(p.display_name, result, p.partner_name, p.handle, p.notebookId, literal('unknown'));
    const moved = named('moved_to', coalesce(p.destinationPath, p.destination_path, p.dst));
    const type = when([[matches(bronze.action, FOLDERS), literal(2)]], literal(1));
    return {
      ...actor(record),
      ...event(record),
      ...origin(record),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'file.mime_type': p.mime_type,
      'file.name': coalesce(regexExtract(path, LAST, 1), other),
      'file.path': path,
      'file.size': long(coalesce(p.transferredSize, p.receivedSize, p.data_length)),
      'file.type_id': type,
      'file.uid': coalesce(p.notebookId, p.queryId),
      'file_result.name': regexExtract(moved, LAST, 1),
      'file_result.path': moved,
      'file_result.type_id': type,
    };
  },
});
