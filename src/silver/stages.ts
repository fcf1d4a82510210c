import { schema } from '../../ocsf/schema.ts';
import { hashOf } from '../sql/hash.ts';
import type { SilverStage } from '../stage.ts';
import type { Mapping } from './mapping.ts';
import { selectMapping } from './mapping.ts';
import { type RowType, rowType } from './row.ts';

/** The columns of a class's table: the union of what its mappings give. */
export const classType = (name: RowType['class'], mappings: readonly Mapping[]): RowType =>
  rowType(
    name,
    mappings.filter((m) => m.class.class === name).map((m) => m.columns),
    ['unmapped'],
  );

/** The silver stages that these mappings feed. */
export function silverStages(mappings: readonly Mapping[]): SilverStage[] {
  const classes = [...new Set(mappings.map((m) => m.class.class))].sort();
  return classes.map((name) => {
    const fed = mappings.filter((m) => m.class.class === name);
    const type = classType(name, mappings);
    const feeds = fed.map((m) => ({ source: m.source, select: selectMapping(m, type) }));
    const table = {
      name: `silver.${name}`,
      columns: type.columns,
      cluster: ['time'],
      comment: `OCSF ${schema.version} ${schema.classes[name]?.caption ?? name}`,
    };
    return {
      kind: 'silver',
      name: table.name,
      class: name,
      table,
      key: ['metadata.uid', 'raw_data_hash.value'],
      feeds,
      inputs: fed.map((m) => m.source),
      hash: hashOf(table, ...feeds.map((f) => f.select)),
    };
  });
}
