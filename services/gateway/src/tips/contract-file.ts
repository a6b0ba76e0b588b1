import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';

/** Where the contracts' own files are. Sources and build lie equally deep, and so does the image's layout. */
const CONTRACTS = new URL('../../../../contracts/', import.meta.url);

/** A JSON file of the contracts. @throws Error that names the file when it is missing or not what is expected */
export function contractFile<Value>(name: string, schema: z.ZodType<Value>): Value {
  const path = fileURLToPath(new URL(name, CONTRACTS));
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new Error(`cannot use ${path}; restore it from the repository`, { cause });
  }
}
