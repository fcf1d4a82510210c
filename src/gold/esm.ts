import { detectionFinding } from '../silver/class.ts';
import { type EsmCategory, type EsmDetection, esmDetections } from '../silver/databricks_audit/esm.ts';
import { isIn, lookup } from '../sql/functions.ts';
import { type Condition, sql } from '../sql/sql.ts';
import type { Technique } from './attack.ts';
import { type Detection, defineDetection, type ExampleEvent, type Severity, type Threat } from './detection.ts';

const SEVERITIES = { 3: 'Medium', 4: 'High', 5: 'Critical' } as const satisfies Record<
  EsmDetection['severity'],
  Severity
>;

const name = sql<string>`finding_info.analytic.name`;
const catalogue = Object.entries(esmDetections);

/** What raises a Capsule8 alert, on which instance. */
const entities = {
  severity_id: sql`severity_id`,
  message: sql`finding_info.title || coalesce(' on ' || device.instance_uid, '')`,
};
const ofSensor: Condition = sql`metadata.product.name = 'Databricks' AND finding_info.product.name = 'Capsule8'`;

/** The alert that the monitoring agent of a classic compute instance raises under this name. */
export const esmAlert = (title: string, severity: number = 3): ExampleEvent => ({
  'device.instance_uid': 'i-0abc123def4567890',
  'device.type_id': 6,
  'finding_info.analytic.name': title,
  'finding_info.analytic.type_id': 1,
  'finding_info.product.name': 'Capsule8',
  'finding_info.title': title,
  severity_id: severity,
});

interface Words {
  readonly name: string;
  readonly title: string;
  readonly threat: readonly [Threat, ...Threat[]];
  readonly why: string;
  readonly falsePositives: string;
}

const requires = 'Databricks audit logs of workspaces with Enhanced Security Monitoring and classic compute';

/** A rule for the names of one category of the catalogue: one finding for each alert, with the name's own severity and techniques. */
export function defineEsmDetection(category: EsmCategory, words: Words): Detection {
  const own = catalogue.filter(([, detection]) => detection.category === category);
  const foreign = catalogue.find(([, detection]) => detection.category !== category)?.[0] ?? '';
  const worst = ([5, 4] as const).find((level) => own.some(([, { severity }]) => severity === level)) ?? 3;
  const techniques = new Set(own.flatMap(([, { attack }]): readonly Technique[] => attack));
  return defineDetection({
    ...words,
    severity: SEVERITIES[worst],
    attack: [...techniques],
    requires,
    on: detectionFinding,
    where: sql`${ofSensor} AND ${isIn(
      name,
      own.map(([title]) => title),
    )}`,
    entities: {
      ...entities,
      attack: lookup(name, Object.fromEntries(own.map(([title, { attack }]) => [title, attack.join(' ')]))),
    },
    examples: [
      { when: 'an alert of another category', given: [esmAlert(foreign)], alerts: 0 },
      { when: 'an alert that is not in the catalogue', given: [esmAlert('Wget Program Blacklist')], alerts: 0 },
      ...own.map(([title, { severity }]) => ({
        when: title,
        given: [esmAlert(title, severity)],
        alerts: 1,
        severity: SEVERITIES[severity],
      })),
    ],
  });
}

/** The rule for the names that the catalogue lacks: the vocabulary is open. */
export const defineEsmRemainder = (words: Words): Detection =>
  defineDetection({
    ...words,
    severity: 'Medium',
    attack: [],
    requires,
    on: detectionFinding,
    where: sql`${ofSensor} AND NOT ${isIn(
      name,
      catalogue.map(([title]) => title),
    )}`,
    entities,
    examples: [
      { when: 'a name that is not in the catalogue', given: [esmAlert('Wget Program Blacklist')], alerts: 1 },
      ...catalogue.map(([title, { severity }]) => ({
        when: `${title} has a category`,
        given: [esmAlert(title, severity)],
        alerts: 0,
      })),
    ],
  });
