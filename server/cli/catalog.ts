import { ConfigError } from '../../lib/settings/config-error.ts';
import { migrate } from './catalog-migrate.ts';
import { rebuild } from './catalog-rebuild.ts';
import { upgrade } from './catalog-upgrade.ts';
import { advice } from './parse-options.ts';

const ACTIONS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  migrate,
  rebuild,
  upgrade,
};

/** `berth catalog`: what is done to the database as a whole. */
export async function catalog(args: readonly string[]): Promise<number> {
  const [action = '', ...rest] = args;
  const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (run !== undefined) return run(rest);
  if (action === '')
    throw new ConfigError('what to do with the catalog was not said: try "berth catalog --help"');
  throw new ConfigError(
    `"${action}" is nothing that can be done to the catalog: ${advice(action, Object.keys(ACTIONS), '"berth catalog --help"')}`,
  );
}
