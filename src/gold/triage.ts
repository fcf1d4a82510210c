import type { Table } from '../sql/dialect.ts';
import type { Relation } from '../sql/sql.ts';

/** What analysts did with findings; no recomputation touches it. The newest row of a finding holds. */
export const triage: Table & Relation = {
  name: 'gold.triage',
  columns: [
    { name: 'finding_uid', type: 'text' },
    { name: 'status', type: 'text' },
    { name: 'assignee', type: 'text' },
    { name: 'comment', type: 'text' },
    { name: 'updated_at', type: 'timestamp' },
  ],
  comment: 'What analysts say of findings; the newest row of a finding holds, and no run touches it',
};
