import {
  and,
  integer,
  ipAddress,
  isNotNull,
  matches,
  nullIf,
  regexExtract,
  splitPart,
  startsWith,
  when,
} from '../sql/functions.ts';
import { conversion, named, type Sql, sql } from '../sql/sql.ts';

const WITH_PORT = '^([0-9.]+|\\[[0-9A-Fa-f:.]+(%[^\\]]*)?\\]):([0-9]{1,5})$';
const NOWHERE = ['0.0.0.0', '127.0.0.1', '::', '::1', '0:0:0:0:0:0:0:0', '0:0:0:0:0:0:0:1'];

/** The parts of `192.0.2.1:443`, `[2001:db8::1%0]:443`, `2001:db8::1%0` or a name; port 0, the machine itself and no machine at all are left out. `name` tells several in one mapping apart. */
export function address(name: string, value: Sql<string>) {
  const text = named(`${name}_text`, value);
  const bare = when(
    [
      [startsWith(text, '['), regexExtract(text, '^\\[([0-9A-Fa-f:.]+)', 1)],
      [matches(text, WITH_PORT), splitPart(text, ':', 1)],
    ],
    splitPart(text, '%', 1),
  );
  const found = named(`${name}_bare`, conversion(text, sql<string>`nullif(${bare}, '')`));
  const host = named(`${name}_host`, nullIf(found, ...NOWHERE));
  const ip = named(`${name}_ip`, ipAddress(host));
  const port = named(`${name}_port`, integer(regexExtract(text, WITH_PORT, 3)));
  return { host, ip, port: when([[and(isNotNull(ip), sql`${port} BETWEEN 1 AND 65535`), port]]) };
}
