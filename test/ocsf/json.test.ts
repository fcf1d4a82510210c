import { describe, expect, test } from 'vitest';
import { Float, isFloat, isInteger, isMap, isSigned, parseJson } from '../../ocsf/json.ts';

describe('parseJson', () => {
  test('a number with a fraction or an exponent is a Float, any other is not', () => {
    expect(parseJson('[1, 1.0, 1e3, -0.5, 7]')).toEqual([1, new Float(1), new Float(1000), new Float(-0.5), 7]);
    expect(String(parseJson('1.0'))).toBe('1.0');
  });

  test('an integer beyond 2^53 is a bigint that keeps its digits', () => {
    expect(parseJson('[9007199254740991, 9007199254740993, -12345678901234567890]')).toEqual([
      9007199254740991,
      9007199254740993n,
      -12345678901234567890n,
    ]);
  });

  test('numbers inside strings and keys stay as they are', () => {
    const value = { 'a "1.5" b': '\\" 2.5 \\\\', '3.5': 'x\\' };
    expect(parseJson(JSON.stringify(value))).toEqual(value);
  });

  test('a member called __proto__ is data', () => {
    const value = parseJson('{"__proto__":{"admin":true}}');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect((value as { admin?: boolean }).admin).toBeUndefined();
  });

  test('a string of a million quotes is read', () => {
    const value = { unmapped: '"\\'.repeat(1_000_000), score: 1.5 };
    expect(parseJson(JSON.stringify(value))).toEqual({ ...value, score: new Float(1.5) });
  });

  test.each(['{1.5:2}', '01.5', '1.', '1.5.5', '- 1', '"abc', '[1 2]', '1.5e', '', '{"a":1.5'])(
    '%s is no JSON',
    (text) => expect(() => parseJson(text)).toThrow(SyntaxError),
  );
});

test('the kinds of value are told apart', () => {
  expect([{}, [], null, 'x', new Float(1)].map(isMap)).toEqual([true, false, false, false, false]);
  expect([1, 1n, 1.5, new Float(1), '1'].map(isInteger)).toEqual([true, true, false, false, false]);
  expect([1, 1n, 1.5, new Float(1), '1'].map(isFloat)).toEqual([false, false, true, true, false]);
  expect([2 ** 31 - 1, 2 ** 31, -(2 ** 31)].map((value) => isSigned(32, value))).toEqual([true, false, true]);
  expect([2n ** 63n - 1n, 2n ** 63n].map((value) => isSigned(64, value))).toEqual([true, false]);
});
