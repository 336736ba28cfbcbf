import { http, https } from '../../lib/http/node-http.ts';
import { optionsOf, readOptions } from '../../lib/settings/settings.ts';
import { hostParts, logPart, metricsPart } from '../../lib/support-bundle/host-parts.ts';
import { Redactor } from '../../lib/support-bundle/redactor.ts';
import { readShownSettings, type ShownSettings } from '../../lib/support-bundle/settings-part.ts';
import { bundleName, readParts, writeBundle } from '../../lib/support-bundle/support-bundle.ts';
import { describeDatabase, openReadOnly } from '../../storage/catalog/describe-database.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { SETTINGS } from '../config/settings.ts';
import { openUnchangedDatabase, sqliteFile } from '../open-storage.ts';
import { compareSteps } from '../upgrade/upgrade-database.ts';
import { parseOptions } from './parse-options.ts';
import { printLine, tellLine } from './printable.ts';
import { recordedContent } from './stored-registry.ts';

/**
 * `berth support-bundle`: writes a file for those who help, without secrets, whether the registry runs or not. Damaged
 * parts and invalid settings are told in the file. Throws ConfigError.
 */
export async function supportBundle(args: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const values = parseOptions(args, { ...optionsOf(SETTINGS), config: text, output: text, log: text });
  const {
    config: file,
    log,
    output,
  } = values as Readonly<Record<'config' | 'log' | 'output', string | undefined>>;
  const flags = readOptions(SETTINGS, values);
  const { shown, secrets } = readShownSettings({ table: SETTINGS, flags, env: process.env, file });
  const redactor = new Redactor(secrets);
  const problems = [...shown.problems];
  const config = readConfig();
  const name = bundleName('berth');
  const files = await readParts(
    [
      ...hostParts('berth', dataOf(config, shown)),
      { name: 'settings.json', read: () => ({ ...shown, problems }) },
      { name: 'catalog.json', read: () => describeCatalog(config, shown) },
      { name: 'listener.json', read: (signal) => config && askWhetherReady(config, signal) },
      metricsPart(config?.metrics),
      logPart(log, 'berth.service', redactor),
    ],
    redactor,
  );
  const target = output ?? `${name}.tar.gz`;
  await writeBundle(target, name, files);
  tellLine('It has no secrets, but names of hosts and repositories: look into it before you send it.');
  printLine(target);
  return 0;

  function readConfig(): Config | undefined {
    try {
      return loadConfig({
        flags: { ...flags, config: file },
        env: process.env,
        isRoot: process.getuid?.() === 0,
      });
    } catch (error) {
      if (problems.length === 0) problems.push((error as Error).message);
      return undefined;
    }
  }
}

/** The data folder, also when other settings are not valid. */
function dataOf(config: Config | undefined, { settings }: ShownSettings): string | undefined {
  return config?.data ?? (typeof settings.data?.value === 'string' ? settings.data.value : undefined);
}

async function describeCatalog(config: Config | undefined, shown: ShownSettings) {
  const data = dataOf(config, shown);
  const file = data === undefined || shown.settings.database ? undefined : sqliteFile({ data });
  const open = () => {
    if (file !== undefined) return openReadOnly(file);
    if (config !== undefined) return openUnchangedDatabase(config);
    throw new Error('the settings are not valid: settings.json says why');
  };
  const database = await open();
  try {
    const steps = await compareSteps(database);
    return {
      ...(await describeDatabase(database, file)),
      missingSteps: steps.flatMap(({ missing }) => missing.map((step) => step.name)),
      unknownSteps: steps.flatMap(({ unknown }) => unknown),
      content: await recordedContent(database),
    };
  } finally {
    await database.destroy();
  }
}

async function askWhetherReady({ listen, tls, pathPrefix }: Config, signal: AbortSignal) {
  const options = { ...listen, path: '/readyz', signal, agent: false, rejectUnauthorized: false };
  const status = await new Promise<number>((resolve, reject) => {
    const request = (tls === undefined ? http : https()).get(options, (answer) => {
      answer.destroy();
      resolve(answer.statusCode ?? 0);
    });
    request.once('error', (error) => reject(new Error(`no registry answers: ${error.message}`)));
  });
  return { address: listen, tls: tls !== undefined, pathPrefix, status };
}
