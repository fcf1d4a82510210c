import type { RangeStage, ViewStage } from '../stage.ts';
import type { Detection } from './detection.ts';
import failedSignInBurst from './detections/failed_sign_in_burst.ts';
import rootConsoleLogin from './detections/root_console_login.ts';
import apiCallsHourly from './summaries/api_calls_hourly.ts';
import networkHourly from './summaries/network_hourly.ts';
import signInsHourly from './summaries/sign_ins_hourly.ts';
import alerts from './views/alerts.ts';
import alertsDaily from './views/alerts_daily.ts';

/** Every rule. */
export const detections: readonly Detection[] = [failedSignInBurst, rootConsoleLogin];

/** Every summary. */
export const summaries: readonly RangeStage[] = [apiCallsHourly, networkHourly, signInsHourly];

/** Every view that people read. */
export const views: readonly ViewStage[] = [alerts, alertsDaily];
