import { join } from 'node:path';

/*
 * Environments with a cache of what Node has compiled. Programs share one only where their V8 flags are the same: V8 throws
 * away what was compiled under others.
 */

/** The environment in which `berth` starts server/main.ts. */
export const REGISTRY_CACHE = cacheIn('berth');

/** The environment in which `berth-agent` starts runtime-agent/main.ts. */
export const AGENT_CACHE = cacheIn('berth-agent');

/** For programs of the tests, in the cache of the tests themselves. */
export const TEST_CACHE = cacheIn('tests');

function cacheIn(folder: string): { readonly NODE_COMPILE_CACHE: string } {
  return { NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache', folder) };
}
