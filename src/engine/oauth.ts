import type { Agent } from 'node:https';
import { UserError } from '../errors.ts';
import { askHttps } from './https.ts';
import { HttpError, type Patience, persistently } from './retry.ts';
import type { Credentials } from './thrift.ts';

/** A service principal and where it gets its tokens. */
export interface ServicePrincipal {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The workspace's address, such as `https://dbc-1234.cloud.databricks.com`. */
  readonly workspace: string;
  readonly agent: Agent;
  readonly waits?: Patience | undefined;
}

/** A token is not used any more when it has less than this to live, in milliseconds: a request may take a while. */
const LAST_MINUTE = 60_000;

interface Token {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

function tokenIn(body: Buffer): Token {
  const said: unknown = JSON.parse(body.toString());
  if (typeof said !== 'object' || said === null || !('access_token' in said) || typeof said.access_token !== 'string')
    throw new UserError('The token endpoint answered without a token.');
  const seconds = 'expires_in' in said ? Number(said.expires_in) : Number.NaN;
  return { value: said.access_token, until: Date.now() + (Number.isFinite(seconds) ? seconds : 3600) * 1000 };
}

/** Why there is no token, without what was sent. */
function refusal(error: unknown, { workspace }: ServicePrincipal): unknown {
  if (error instanceof UserError) return error;
  if (error instanceof SyntaxError)
    return new UserError(`${workspace}/oidc/v1/token answered with something else than JSON: check engine.host.`);
  if (!(error instanceof HttpError) || error.status >= 500 || error.status === 429) return error;
  if (error.status === 404)
    return new UserError(`${workspace} has no /oidc/v1/token: check that engine.host is a workspace's address.`);
  return new UserError(
    `${workspace} refuses the service principal (HTTP ${error.status}): its client id or secret is wrong, or the secret has expired or was deleted. Make a new secret (workspace settings, Identity and access, Service principals, Secrets) and set the environment variables anew.`,
  );
}

/**
 * OAuth for machines (RFC 6749, 4.4) as Databricks offers it on every cloud: tokens of an hour, got when needed. The driver has it
 * too, but only for hosts that it knows by name, and without a second try.
 */
export function servicePrincipal(principal: ServicePrincipal): Credentials {
  const { clientId, clientSecret, workspace, agent, waits } = principal;
  let token: Promise<Token> | undefined;
  const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64');
  const fetch = async (): Promise<Token> => {
    const ask = () =>
      askHttps({
        url: `${workspace}/oidc/v1/token`,
        method: 'POST',
        headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/x-www-form-urlencoded' },
        body: 'grant_type=client_credentials&scope=all-apis',
        agent,
      });
    try {
      return tokenIn(await persistently(ask, { repeatable: true, known: false, waits }));
    } catch (error) {
      throw refusal(error, principal);
    }
  };
  const forget = (): void => {
    token = undefined;
  };
  return {
    authenticate: async () => {
      const held = await token;
      if (!held || held.until - LAST_MINUTE < Date.now()) {
        token = fetch();
        token.catch(forget);
      }
      return { Authorization: `Bearer ${(await token)?.value}` };
    },
    renew: () => {
      forget();
      return true;
    },
  };
}
