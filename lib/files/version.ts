import { readFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';

/** Reads the version of Berth from its package.json. */
export async function readVersion(): Promise<string> {
  const text = await readFile(findPackageJSON(import.meta.url) ?? '', 'utf8');
  return String((JSON.parse(text) as { readonly version: unknown }).version);
}
