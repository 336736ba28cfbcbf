import { buffer } from 'node:stream/consumers';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { advice } from '../parse-options.ts';
import { ago, parseFormat, printRows } from '../remote/table.ts';
import { appPath } from './door.ts';
import { type FleetCommand, runFleetCommand } from './fleet-command.ts';
import { ROLLOUT_EXIT } from './rollout-progress.ts';
import { finishRelease, ROLLOUT_OPTIONS, timeoutOf } from './rollouts.ts';

/** Maximum bytes of a secret. */
const LARGEST_SECRET = 500 * 1024;

interface SecretView {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
}

const ACTIONS: Readonly<Record<string, FleetCommand>> = {
  set: {
    usage: 'secret set APP NAME',
    options: ROLLOUT_OPTIONS,
    refused: ROLLOUT_EXIT.refused,
    run: async (input) => {
      const [app = '', name = ''] = input.words;
      // An invalid timeout is refused before anything changes.
      const timeout = timeoutOf(input);
      const value = await readSecret(app, name);
      const api = await input.api();
      const made = await api.call<{ version: number; release: number | null }>('PUT', secretPath(app, name), {
        body: { value: value.toString('base64'), ...timeout },
      });
      input.tell(`${app}: ${name} has version ${made.version}`);
      return made.release === null ? 0 : finishRelease(input, app, made.release);
    },
  },
  ls: {
    usage: 'secret ls APP',
    options: { format: { type: 'string' } },
    run: async ({ api, option, words: [app = ''] }) => {
      const format = parseFormat(option('format'));
      const path = appPath(app, 'secrets');
      const { secrets } = await (await api()).call<{ secrets: readonly SecretView[] }>('GET', path);
      printRows(format, secrets, [
        { head: 'NAME', cell: ({ name }) => name },
        { head: 'VERSION', cell: ({ version }) => String(version) },
        { head: 'SET', cell: ({ createdAt }) => ago(createdAt) },
        { head: 'BY', cell: ({ createdBy }) => createdBy },
      ]);
    },
  },
  rm: {
    usage: 'secret rm APP NAME',
    run: async ({ api, words: [app = '', name = ''] }) => {
      await (await api()).call('DELETE', secretPath(app, name));
    },
  },
};

/** `berth secret`: values that instances read from files. */
export async function secret(args: readonly string[]): Promise<number> {
  const [name = '', ...rest] = args;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action !== undefined) return runFleetCommand(action, rest);
  const known = Object.keys(ACTIONS);
  if (name === '') throw new ConfigError(`an action is missing: berth secret has ${known.join(', ')}`);
  throw new ConfigError(`berth secret has no "${name}": ${advice(name, known, '"berth secret --help"')}`);
}

async function readSecret(app: string, name: string): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new ConfigError(`give the value on standard input: berth secret set ${app} ${name} <FILE`);
  }
  const value = await buffer(process.stdin);
  if (value.length <= LARGEST_SECRET) return value;
  throw new ConfigError(`the value has ${value.length} bytes: at most ${LARGEST_SECRET} are allowed`);
}

function secretPath(app: string, name: string): string {
  return appPath(app, `secrets/${encodeURIComponent(name)}`);
}
