import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { techniques } from '../../src/gold/attack.ts';
import { findings } from '../../src/gold/detection.ts';
import { detections } from '../../src/gold/index.ts';
import { spark } from '../../src/sql/spark.ts';
import { spell } from '../../src/sql/sql.ts';
import { eventRows, everyRowIsOcsf, given, openLakehouse, run } from './given.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openLakehouse();
});
afterAll(() => engine[Symbol.asyncDispose]());

interface Finding {
  severity: string;
  finding_info: { uid: string; analytic: { name: string } };
}

const said = (alerts: number): string => (alerts === 0 ? 'no alert' : alerts === 1 ? 'one alert' : `${alerts} alerts`);

describe.each(detections.map((detection) => [detection.rule.name, detection] as const))('The rule %s', (name, rule) => {
  it.each(rule.rule.examples.map((example) => [said(example.alerts), example.when, example] as const))(
    'raises %s: %s',
    async (_said, _when, { alerts, severity = rule.rule.severity, ...example }) => {
      await given(engine, rule, example.given);
      await run(engine, rule);
      const found = await everyRowIsOcsf(engine, findings.name);
      expect(found).toHaveLength(alerts);
      const parsed = found.map((text) => JSON.parse(text) as Finding);
      expect(parsed.map((finding) => finding.severity)).toEqual(parsed.map(() => severity));
      const infos = parsed.map((finding) => finding.finding_info);
      expect(new Set(infos.map(({ uid }) => uid)).size).toBe(alerts);
      expect(new Set(infos.map(({ analytic }) => analytic.name))).toEqual(new Set(alerts > 0 ? [name] : []));

      await engine.execute(`DELETE FROM ${findings.name}`);
      await run(engine, rule);
      expect(await everyRowIsOcsf(engine, findings.name)).toEqual(found);
    },
  );

  it('has an example that alerts and one that does not', () => {
    const alerts = rule.rule.examples.map((example) => example.alerts);
    expect(Math.max(...alerts)).toBeGreaterThan(0);
    expect(Math.min(...alerts)).toBe(0);
  });

  it('has examples of different names, and says what it needs in words', () => {
    const { examples, title, why, falsePositives, requires } = rule.rule;
    expect(new Set(examples.map(({ when }) => when)).size).toBe(examples.length);
    for (const words of [title, why, falsePositives, requires]) expect(words).toMatch(/^[A-Z].{9,}/);
  });

  it('names techniques that ATT&CK has', () => {
    expect(Object.keys(techniques)).toEqual(expect.arrayContaining([...rule.rule.attack]));
  });

  it('is spelled for Spark too', () => {
    expect(spell(rule.select, spark)).toContain('SELECT');
  });
});

describe('An example', () => {
  it('fails on a path that OCSF lacks, and names it', () => {
    expect(() => eventRows('authentication', [{ 'actor.user.nane': 'ana' }])).toThrow(/actor\.user\.nane.*"name"/s);
  });

  it('fails on a path that OCSF has and no mapping fills', () => {
    expect(() => eventRows('authentication', [{ 'user.full_name': 'Ana' }])).toThrow(
      /no mapping fills user\.full_name/,
    );
  });
});

describe('The rules', () => {
  const files = readdirSync(new URL('../../src/gold/detections', import.meta.url)).map((file) =>
    file.replace(/\.ts$/, ''),
  );

  it('are named as their files and listed in the index', () => {
    expect(detections.map(({ rule }) => rule.name).sort()).toEqual(files.sort());
  });

  it('are stages of the same names', () => {
    expect(detections.map(({ name }) => name)).toEqual(detections.map(({ rule }) => `gold.${rule.name}`));
  });
});
