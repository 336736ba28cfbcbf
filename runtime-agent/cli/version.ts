import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The version of Berth, from the project's package.json. */
export async function readVersion(): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
  return String((JSON.parse(text) as { readonly version: unknown }).version);
}
