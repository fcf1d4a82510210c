import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { matches, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { apiActivity } from '../class.ts';
import { bronze, defineMapping } from '../mapping.ts';
import { event } from './event.ts';

const verbs = (...names: string[]): string => `^(?i:${names.join('|')})`;
const CREATE = verbs('create', 'add', 'put', 'generate', 'mint', 'import', 'register', 'publish', 'install', 'clone');
const READ = verbs(
  'get',
  'list',
  'read',
  'search',
  'download',
  'export',
  'view',
  'query',
  'describe',
  'lookup',
  'validate',
);
const UPDATE = verbs(
  'update',
  'edit',
  'change',
  'set',
  'modify',
  'patch',
  'rename',
  'move',
  'resize',
  'start',
  'stop',
  'restart',
  'run',
  'submit',
  'attach',
  'detach',
  'enable',
  'disable',
  'grant',
  'reset',
  'transfer',
);
const DELETE = verbs(
  'delete',
  'remove',
  'revoke',
  'trash',
  'purge',
  'destroy',
  'drop',
  'permanentDelete',
  'uninstall',
  'cancel',
);

/** Any action that has no finer class. */
export default defineMapping({
  source: databricksAudit,
  class: apiActivity,
  events: 'rest',
  columns: (record) => ({
    ...event(record),
    activity_id: when(
      [
        [matches(bronze.action, DELETE), literal(4)],
        [matches(bronze.action, READ), literal(2)],
        [matches(bronze.action, UPDATE), literal(3)],
        [matches(bronze.action, CREATE), literal(1)],
      ],
      literal(99),
    ),
    activity_name: bronze.action,
  }),
});
