import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { findings, severityIds } from '../../src/gold/detection.ts';
import { esmAlert } from '../../src/gold/esm.ts';
import { detections } from '../../src/gold/index.ts';
import { esmDetections } from '../../src/silver/databricks_audit/esm.ts';
import { everyRowIsOcsf, given, openLakehouse, run } from './given.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openLakehouse();
});
afterAll(() => engine[Symbol.asyncDispose]());

const rules = detections.filter(({ on }) => on.name === 'silver.detection_finding');

interface Finding {
  severity_id: number;
  message: string;
  finding_info: {
    analytic: { name: string };
    attacks: { technique: { uid: string }; sub_technique: { uid: string } | null }[] | null;
  };
}

async function raisedBy(title: string, severity: number): Promise<Finding[]> {
  const [first] = rules;
  if (!first) throw new Error('there are no rules over findings');
  await given(engine, first, [esmAlert(title, severity)]);
  for (const rule of rules) await run(engine, rule);
  return (await everyRowIsOcsf(engine, findings.name)).map((text) => JSON.parse(text) as Finding);
}

const techniquesOf = ({ finding_info: { attacks } }: Finding): string[] =>
  (attacks ?? []).map(({ technique, sub_technique }) => sub_technique?.uid ?? technique.uid).sort();

describe('An alert of the monitoring agent', () => {
  it.each(Object.entries(esmDetections))('raises one finding with what is known of it: %s', async (title, known) => {
    const found = await raisedBy(title, known.severity);
    expect(found).toHaveLength(1);
    const [finding] = found;
    expect(finding?.finding_info.analytic.name).toBe(`esm_${known.category}`);
    expect(finding?.severity_id).toBe(known.severity);
    expect(finding?.message).toBe(`${title} on i-0abc123def4567890`);
    expect(finding && techniquesOf(finding)).toEqual([...known.attack].sort());
  });

  it.each(['Wget Program Blacklist', 'suspicious interactive shell', 'Suspicious Interactive Shell Advanced'])(
    'raises one finding without techniques when nobody has sorted it yet: %s',
    async (title) => {
      const found = await raisedBy(title, severityIds.Medium);
      expect(found.map((one) => one.finding_info.analytic.name)).toEqual(['esm_uncategorised']);
      expect(found.flatMap(techniquesOf)).toEqual([]);
      expect(found[0]?.severity_id).toBe(severityIds.Medium);
    },
  );
});
