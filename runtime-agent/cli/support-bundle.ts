import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../lib/settings/settings.ts';
import { hostParts, logPart, metricsPart } from '../../lib/support-bundle/host-parts.ts';
import { Redactor } from '../../lib/support-bundle/redactor.ts';
import { readShownSettings } from '../../lib/support-bundle/settings-part.ts';
import { bundleName, readParts, writeBundle } from '../../lib/support-bundle/support-bundle.ts';
import { describeDatabase, openReadOnly } from '../../storage/catalog/describe-database.ts';
import { type AgentConfig, type ConfigFlags, DEFAULT_DATA, DEFAULT_SOCKET, readConfig } from '../config.ts';
import { examineHost } from '../doctor/examine-host.ts';
import { readHost } from '../doctor/read-host.ts';
import { AGENT_SETTINGS } from '../settings.ts';

/** Options of `berth-agent support-bundle`. */
export interface BundleOptions {
  readonly flags: ConfigFlags;
  /** The file to write; by default one in the current folder. */
  readonly output?: string | undefined;
  /** A file with the log of the agent; by default the journal of its unit. */
  readonly log?: string | undefined;
}

/**
 * Writes a file for those who help, without secrets, and returns its path. The agent may run or not. Damaged parts and
 * invalid settings are told in the file. Throws ConfigError.
 */
export async function writeSupportBundle(
  { flags, log, output }: BundleOptions,
  env: Environment,
): Promise<string> {
  const { config: file, ...given } = flags;
  const { shown, secrets } = readShownSettings({ table: AGENT_SETTINGS, flags: given, env, file });
  const problems = [...shown.problems];
  const config = readOrTell(flags, env, problems);
  const chosen = shown.settings.data?.value;
  const data = config?.dataDirectory ?? (typeof chosen === 'string' ? chosen : DEFAULT_DATA);
  const socket = config?.socket ?? DEFAULT_SOCKET;
  const logins = [shown.settings.registryAuthFiles?.value ?? []].flat().map(String).flatMap(loginsOf);
  const redactor = new Redactor([...secrets, ...logins]);
  const name = bundleName('berth-agent');
  const files = await readParts(
    [
      ...hostParts('berth-agent', data),
      { name: 'settings.json', read: () => ({ ...shown, problems }) },
      { name: 'state.json', read: () => describeState(data) },
      {
        name: 'doctor.json',
        read: async () => examineHost(await readHost({ dataDirectory: data, socket }, env.PATH ?? '')),
      },
      metricsPart({ socketPath: socket }),
      logPart(log, 'berth-agent.service', redactor),
    ],
    redactor,
  );
  const target = output ?? `${name}.tar.gz`;
  await writeBundle(target, name, files);
  return target;
}

function readOrTell(flags: ConfigFlags, env: Environment, problems: string[]): AgentConfig | undefined {
  try {
    return readConfig(flags, env);
  } catch (error) {
    if (problems.length === 0) problems.push((error as Error).message);
    return undefined;
  }
}

async function describeState(data: string) {
  const file = join(data, 'berth-agent.sqlite');
  const database = openReadOnly(file);
  try {
    const states: readonly Readonly<Record<string, unknown>>[] = await database('containers')
      .select('status')
      .count({ count: '*' })
      .groupBy('status');
    return {
      ...(await describeDatabase(database, file)),
      containers: Object.fromEntries(states.map(({ status, count }) => [String(status), Number(count)])),
    };
  } catch (cause) {
    // A running agent holds its database alone; its metrics have the counts.
    throw new Error(`the state cannot be read: ${(cause as Error).message}`, { cause });
  } finally {
    await database.destroy();
  }
}

/** Every text in a file of logins. */
function loginsOf(path: string): readonly string[] {
  try {
    return textsOf(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return [];
  }
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') {
    // `auth` is `USER:PASSWORD` in base64.
    const password = Buffer.from(value, 'base64').toString('utf8').split(':').slice(1).join(':');
    return /^[\x20-\x7e]+$/.test(password) ? [value, password] : [value];
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}
