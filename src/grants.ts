import { type Engine, rows } from './engine/engine.ts';
import { UserError } from './errors.ts';
import { triage } from './gold/triage.ts';
import type { Manifest } from './manifest.ts';
import { placeOf, remoteFolder, VOLUME } from './place.ts';
import { pipelineOf, writtenTables } from './plan.ts';
import { databricks } from './sql/databricks.ts';
import { identifier, join, literal, type Sql, spell, sql } from './sql/sql.ts';

/** What Unity Catalog protects. */
export type Securable = 'CATALOG' | 'SCHEMA' | 'TABLE' | 'VOLUME' | 'EXTERNAL LOCATION';

/** One privilege on one thing, and what the pipeline needs it for. */
export interface Grant {
  readonly privilege: string;
  readonly on: Securable;
  /** Its name, dots between the parts; of an external location, unless it is known, the address that it is to hold. */
  readonly name: string;
  readonly why: string;
}

/** What a manifest needs on Unity Catalog. */
export interface Grants {
  /** Schemas that an owner of the catalog makes first, so that who runs the pipeline need not be allowed to. */
  readonly schemas: readonly string[];
  readonly grants: readonly Grant[];
}

/** What leads to a thing: its catalog and its schema. */
const parents = (name: string, why: string): Grant[] => {
  const [catalog = '', schema] = name.split('.');
  return [
    { privilege: 'USE CATALOG', on: 'CATALOG', name: catalog, why },
    ...(schema ? [{ privilege: 'USE SCHEMA', on: 'SCHEMA', name: `${catalog}.${schema}`, why } as const] : []),
  ];
};

function readsOf(source: string, path: string): Grant[] {
  const why = `reads bronze.${source}`;
  const folder = remoteFolder(source, path);
  const [, ...volume] = VOLUME.exec(folder) ?? [];
  if (volume.length === 0) return [{ privilege: 'READ FILES', on: 'EXTERNAL LOCATION', name: folder, why }];
  const name = volume.slice(0, 3).join('.');
  return [...parents(name, why), { privilege: 'READ VOLUME', on: 'VOLUME', name, why }];
}

/** The least that who runs a manifest must be granted; throws a `UserError` where its engine is not Databricks. */
export function grantsOf(manifest: Manifest): Grants {
  const { engine, bronze } = manifest;
  if (engine.type !== 'databricks')
    throw new UserError(
      `Grants are of Unity Catalog, and the engine here is "${engine.type}": name a target of type "databricks" with --target.`,
    );
  const names = writtenTables(pipelineOf(manifest), [triage]).map((table) => table.name);
  const schemas = [...new Set(names.map((name) => `${engine.catalog}.${name.split('.')[0]}`))];
  const written = schemas.flatMap((name): Grant[] =>
    [
      ['CREATE TABLE', 'makes its tables and views'],
      ['SELECT', 'reads them, whoever owns them'],
      ['MODIFY', 'writes them, whoever owns them'],
    ].map(([privilege = '', why = '']) => ({ privilege, on: 'SCHEMA', name, why })),
  );
  const read = Object.entries(bronze).flatMap(([source, settings]): Grant[] => {
    const place = placeOf(settings);
    if (place.kind === 'files') return place.paths.flatMap((path) => readsOf(source, path));
    const why = `reads bronze.${source}`;
    const name = place.table.split('.').length === 3 ? place.table : `${engine.catalog}.${place.table}`;
    return [...parents(name, why), { privilege: 'SELECT', on: 'TABLE', name, why }];
  });
  const all = [...schemas.flatMap((name) => parents(name, 'works in it')), ...written, ...read];
  const unique = new Map(all.map((grant) => [keyOf(grant), grant]));
  return { schemas, grants: [...unique.values()] };
}

const keyOf = ({ privilege, on, name }: Pick<Grant, 'privilege' | 'on' | 'name'>): string =>
  `${privilege} ${on} ${name}`;

/** A grant's thing as SQL names it. */
const named = ({ on, name }: Grant): Sql =>
  on === 'EXTERNAL LOCATION' ? identifier(name) : identifier(...name.split('.'));

/** The statements that an owner or an admin runs once; grants on one thing come together. */
export function grantStatements({ schemas, grants }: Grants, principal: string): string[] {
  const things = new Map<string, [Grant, ...Grant[]]>();
  for (const grant of grants) {
    const key = `${grant.on} ${grant.name}`;
    const there = things.get(key);
    if (there) there.push(grant);
    else things.set(key, [grant]);
  }
  const text = (words: string): Sql => ({ parts: [{ kind: 'text', text: words }] });
  return [
    ...schemas.map((name) => spell(sql`CREATE SCHEMA IF NOT EXISTS ${identifier(...name.split('.'))}`, databricks)),
    ...[...things.values()].map((same) =>
      spell(
        sql`GRANT ${text(same.map((g) => g.privilege).join(', '))} ON ${text(same[0].on)} ${named(same[0])} TO ${identifier(principal)}`,
        databricks,
      ),
    ),
  ];
}

const MINE = (column: string): Sql =>
  sql`(${identifier(column)} = current_user() OR is_account_group_member(${identifier(column)}))`;
const PRIVILEGES: readonly (readonly [Securable, view: string, name: readonly string[]])[] = [
  ['CATALOG', 'catalog_privileges', ['catalog_name']],
  ['SCHEMA', 'schema_privileges', ['catalog_name', 'schema_name']],
  ['TABLE', 'table_privileges', ['table_catalog', 'table_schema', 'table_name']],
  ['VOLUME', 'volume_privileges', ['volume_catalog', 'volume_schema', 'volume_name']],
  ['EXTERNAL LOCATION', 'external_location_privileges', ['external_location_name']],
];
const OWNERS: readonly (readonly [Securable, view: string, name: readonly string[], owner: string])[] = [
  ['CATALOG', 'catalogs', ['catalog_name'], 'catalog_owner'],
  ['SCHEMA', 'schemata', ['catalog_name', 'schema_name'], 'schema_owner'],
  ['EXTERNAL LOCATION', 'external_locations', ['external_location_name'], 'external_location_owner'],
];
const ALL = 'ALL PRIVILEGES';

const view = (name: string): Sql => identifier('system', 'information_schema', name);
const dotted = (columns: readonly string[]): Sql =>
  join(
    columns.map((column) => identifier(column)),
    sql` || '.' || `,
  );

/** Everything that who asks is granted, itself or through a group, or owns; inherited privileges are among them. */
function heldStatement(): Sql {
  const granted = PRIVILEGES.map(
    ([on, from, name]) =>
      sql`SELECT ${literal(on)} AS securable, ${dotted(name)} AS name, replace(privilege_type, '_', ' ') AS privilege FROM ${view(from)} WHERE ${MINE('grantee')}`,
  );
  const owned = OWNERS.map(
    ([on, from, name, owner]) =>
      sql`SELECT ${literal(on)} AS securable, ${dotted(name)} AS name, ${literal(ALL)} AS privilege FROM ${view(from)} WHERE ${MINE(owner)}`,
  );
  return join([...granted, ...owned], sql`\nUNION ALL\n`);
}

/** The external location that holds an address: the one whose own address is the longest beginning of it. */
function locationOf(address: string, locations: readonly { name: string; url: string }[]): string | undefined {
  const within = (url: string): boolean => `${address}/`.startsWith(url.endsWith('/') ? url : `${url}/`);
  return locations.filter(({ url }) => within(url)).sort((a, b) => b.url.length - a.url.length)[0]?.name;
}

/** What is needed, and whether it is there; an external location has its own name where one holds the address. */
export interface Checked extends Grants {
  readonly principal: string;
  readonly missing: readonly Grant[];
}

/** Compares what a manifest needs with what who asks has. */
export async function checkGrants(manifest: Manifest, engine: Engine): Promise<Checked> {
  const { schemas, grants } = grantsOf(manifest);
  const ask = <T extends Record<string, unknown>>(statement: Sql): Promise<T[]> =>
    rows<T>(engine, spell(statement, engine.dialect));
  const [me] = await ask<{ name: string }>(sql`SELECT current_user() AS name`);
  const locations = await ask<{ name: string; url: string }>(
    sql`SELECT external_location_name AS name, url FROM ${view('external_locations')}`,
  );
  const there = await ask<{ name: string }>(
    sql`SELECT ${dotted(['catalog_name', 'schema_name'])} AS name FROM ${view('schemata')}`,
  );
  const found = await ask<{ securable: Securable; name: string; privilege: string }>(heldStatement());
  const held = new Set(found.map(({ securable, name, privilege }) => keyOf({ privilege, on: securable, name })));
  const known = grants.map((grant) =>
    grant.on === 'EXTERNAL LOCATION' ? { ...grant, name: locationOf(grant.name, locations) ?? grant.name } : grant,
  );
  const has = (grant: Grant): boolean => held.has(keyOf(grant)) || held.has(keyOf({ ...grant, privilege: ALL }));
  return {
    principal: me?.name ?? '',
    schemas: schemas.filter((name) => !there.some((schema) => schema.name === name)),
    grants: known,
    missing: known.filter((grant) => !has(grant)),
  };
}
