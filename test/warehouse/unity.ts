import type { Warehouse } from './warehouse.ts';

const TABLES = [
  'catalog_privileges (grantee VARCHAR, catalog_name VARCHAR, privilege_type VARCHAR)',
  'schema_privileges (grantee VARCHAR, catalog_name VARCHAR, schema_name VARCHAR, privilege_type VARCHAR)',
  'table_privileges (grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, privilege_type VARCHAR)',
  'volume_privileges (grantee VARCHAR, volume_catalog VARCHAR, volume_schema VARCHAR, volume_name VARCHAR, privilege_type VARCHAR)',
  'external_location_privileges (grantee VARCHAR, external_location_name VARCHAR, privilege_type VARCHAR)',
  'catalogs (catalog_name VARCHAR, catalog_owner VARCHAR)',
  'schemata (catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR)',
  'external_locations (external_location_name VARCHAR, url VARCHAR, external_location_owner VARCHAR)',
];

/** The names under which Databricks has what DuckDB has under others, and the information schema of a Unity Catalog in which nothing is granted. */
export async function unity(stand: Warehouse): Promise<void> {
  await stand.run('CREATE SCHEMA unity');
  for (const table of TABLES) await stand.run(`CREATE TABLE unity.${table}`);
  await stand.run("INSERT INTO unity.catalogs VALUES ('security', 'admins')");
  await stand.run(
    "INSERT INTO unity.schemata SELECT 'security', unnest(['pipeline', 'bronze', 'silver', 'gold']), 'admins'",
  );
  await stand.run(
    "INSERT INTO unity.external_locations VALUES ('all_logs', 's3://logs', 'admins'), ('trail', 's3://logs/AWSLogs/', 'admins')",
  );
  await stand.run("CREATE MACRO is_account_group_member(name) AS name IN ('soc')");
  await stand.run("CREATE MACRO current_metastore() AS 'aws:eu-west-1:0000'");
  await stand.run("CREATE MACRO current_timezone() AS 'Etc/UTC'");
  await stand.run('CREATE MACRO unix_millis(moment) AS epoch_ms(moment)');
  stand.answer({ pattern: /current_version\(\)/, sql: "SELECT '2026.40' AS version" });
  stand.answer({ pattern: /^LIST /, sql: "SELECT 'a.json.gz' AS name" });
}

/** Grants everything that a GRANT of the privilege on the thing would. */
export async function grant(
  stand: Warehouse,
  grantee: string,
  on: string,
  name: string,
  privilege: string,
): Promise<void> {
  const view = `${on.toLowerCase().replace(' ', '_')}_privileges`;
  const parts = on === 'EXTERNAL LOCATION' ? [name] : name.split('.');
  const values = [grantee, ...parts, privilege.replaceAll(' ', '_')].map((text) => `'${text}'`);
  await stand.run(`INSERT INTO unity.${view} VALUES (${values.join(', ')})`);
}
