import { join } from 'node:path';

/*
 * The files that start the two programs. A whole run of the tests compiles them first, as `npm run package` does, since
 * most of a start of the sources is Node's loading of a thousand modules; a run of some files starts the sources.
 */

/** Where the compiled programs of this run are; unset without them. */
const COMPILED = process.env.BERTH_TEST_PROGRAMS;
const ROOT = join(import.meta.dirname, '../..');

/** The sources of `berth`, for tests that change its modules as it loads them. */
export const REGISTRY_SOURCES = join(ROOT, 'server/main.ts');

/** Starts `berth`. */
export const REGISTRY_PROGRAM =
  COMPILED === undefined ? REGISTRY_SOURCES : join(COMPILED, 'berth/app/main.js');

/** Starts `berth-agent`. */
export const AGENT_PROGRAM =
  COMPILED === undefined ? join(ROOT, 'runtime-agent/main.ts') : join(COMPILED, 'berth-agent/app/main.js');
