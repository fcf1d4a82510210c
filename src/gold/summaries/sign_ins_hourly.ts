import { authentication } from '../../silver/class.ts';
import { identifier, sql } from '../../sql/sql.ts';
import { defineSummary } from '../summary.ts';

/** Sign-ins by product, user, operation and outcome. */
export default defineSummary({
  name: 'sign_ins_hourly',
  title: 'Sign-ins by hour',
  on: authentication,
  by: {
    account_uid: ['text', sql`cloud.account.uid`],
    product: ['text', sql`metadata.product.name`],
    user_name: ['text', sql`${identifier('user')}.name`],
    operation: ['text', sql`api.operation`],
    status: ['text', sql`status`],
  },
  measures: {
    sign_ins: ['long', sql`count(*)`],
    without_mfa: ['long', sql`count(*) FILTER (WHERE NOT is_mfa)`],
    addresses: ['long', sql`count(DISTINCT src_endpoint.ip)`],
  },
});
