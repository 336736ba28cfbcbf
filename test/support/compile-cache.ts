import { join } from 'node:path';

/** The environment in which `berth` and `berth-agent` start main.ts: with the cache of what Node has compiled of them. */
export const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/berth'),
} as const;
