import { apiActivity } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineSummary } from '../summary.ts';

/** API calls by product, service, operation, caller and outcome. */
export default defineSummary({
  name: 'api_calls_hourly',
  title: 'API calls by hour',
  on: apiActivity,
  by: {
    account_uid: ['text', sql`cloud.account.uid`],
    product: ['text', sql`metadata.product.name`],
    service: ['text', sql`api.service.name`],
    operation: ['text', sql`api.operation`],
    user_name: ['text', sql`actor.user.name`],
    status: ['text', sql`status`],
  },
  measures: {
    calls: ['long', sql`count(*)`],
    denied: ['long', sql`count(*) FILTER (WHERE action_id = 2)`],
    addresses: ['long', sql`count(DISTINCT src_endpoint.ip)`],
  },
});
