const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const letters: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Text from a log made safe for a terminal: control characters, escape sequences, line breaks, text direction overrides
 * and what is invisible are spelled out (\x1b, \u202e). Not reversible: a backslash stays as it is.
 */
export const printable = (text: string): string =>
  text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) as number;
    const hex = code.toString(16);
    if (code > 0xffff) return `\\u{${hex}}`;
    return letters[character] ?? (code > 0xff ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`);
  });
