import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import {
  ComposeError,
  type ComposePath,
  describePath,
  type Position,
} from '../../../fleet/compose/compose-error.ts';
import { EnvFileError, parseEnvFile } from '../../../fleet/compose/env-file.ts';
import { TemplateError } from '../../../fleet/compose/interpolate.ts';
import { type ParsedCompose, parseCompose, withPositions } from '../../../fleet/compose/parse-compose.ts';
import { readApp } from '../../../fleet/compose/read-app.ts';
import { ConfigError } from '../../../lib/settings/config-error.ts';
import { printable } from '../printable.ts';
import { ApiError } from '../remote/api-error.ts';
import { pairsOf } from '../remote/registry-command.ts';
import { alignedLines } from '../remote/table.ts';
import { appPath } from './door.ts';
import { type FleetCommand, type FleetInput, runFleetCommand } from './fleet-command.ts';
import { ROLLOUT_EXIT } from './rollout-progress.ts';
import { finishRelease, ROLLOUT_OPTIONS, timeoutOf } from './rollouts.ts';
import type { PlanView } from './views.ts';

/** Maximum bytes of a file that a Compose file refers to. */
const LARGEST_FILE = 1024 * 1024;

const DEPLOY: FleetCommand = {
  usage: 'deploy APP FILE',
  options: {
    on: { type: 'string', multiple: true },
    follow: { type: 'boolean' },
    'no-follow': { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    'env-file': { type: 'string', multiple: true },
    profile: { type: 'string', multiple: true },
    ...ROLLOUT_OPTIONS,
  },
  refused: ROLLOUT_EXIT.refused,
  run: deployFile,
};

/** `berth deploy`: deploys a Compose file as a release. */
export function deploy(args: readonly string[]): Promise<number> {
  return runFleetCommand(DEPLOY, args);
}

interface Made {
  readonly release: number | null;
  readonly plan: PlanView;
}

async function deployFile(input: FleetInput): Promise<number> {
  const [app = '', file = ''] = input.words;
  const on = pairsOf('on', input.options('on'));
  const follows = input.flag('follow') ? true : input.flag('no-follow') ? false : undefined;
  const terms = {
    ...(Object.keys(on).length > 0 && { on }),
    ...(follows !== undefined && { follow: follows }),
    ...(input.flag('dry-run') && { dryRun: true }),
    ...timeoutOf(input),
  };
  const compose = await readCompose(input, file);
  if (compose === undefined) return ROLLOUT_EXIT.refused;
  const api = await input.api();
  let made: Made;
  try {
    made = await api.call<Made>('POST', appPath(app, 'releases'), {
      body: { compose: compose.document, ...terms },
    });
  } catch (error) {
    if (!(error instanceof ApiError) || error.problems.length === 0) throw error;
    tellProblems(input, file, error.problems, compose.position);
    return ROLLOUT_EXIT.refused;
  }
  if (made.release !== null) return finishRelease(input, app, made.release);
  for (const line of planLines(made.plan)) input.print(line);
  return 0;
}

/**
 * Reads and checks a Compose file as far as this machine can; prints the problems and returns undefined when it is
 * invalid.
 */
async function readCompose(input: FleetInput, file: string): Promise<ParsedCompose | undefined> {
  const isInput = file === '-';
  const text = isInput ? await textOf(process.stdin) : await readText(file);
  if (text === undefined) throw new ConfigError(`there is no file ${file}`);
  const folder = isInput ? process.cwd() : dirname(resolve(file));
  const environment = { ...(await readEnvironment(input, folder)), ...process.env };
  const profiles = [
    ...input.options('profile'),
    ...(environment.COMPOSE_PROFILES ?? '').split(',').filter((name) => name !== ''),
  ];
  let compose: ParsedCompose | undefined;
  try {
    compose = await parseCompose(text, {
      environment,
      profiles,
      readFile: (path) => readText(resolve(folder, path)),
    });
    for (const warning of compose.warnings) input.tell(`${file}: ${printable(warning)}`);
    readApp(compose.document);
    return compose;
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    const { problems } = compose === undefined ? error : withPositions(error, compose.position);
    tellProblems(input, file, problems, () => undefined);
    return undefined;
  }
}

/** Reads the variables of the files of --env-file, or of `.env` beside the Compose file. Throws ConfigError. */
async function readEnvironment(input: FleetInput, folder: string): Promise<Readonly<Record<string, string>>> {
  const named = input.options('env-file');
  const variables = new Map<string, string>();
  for (const file of named.length > 0 ? named : [join(folder, '.env')]) {
    const text = await readText(file);
    if (text === undefined && named.length > 0) throw new ConfigError(`there is no file ${file}`);
    try {
      const read = parseEnvFile(text ?? '', (name) => process.env[name] ?? variables.get(name));
      for (const [name, value] of read) variables.set(name, value);
    } catch (cause) {
      if (!(cause instanceof EnvFileError || cause instanceof TemplateError)) throw cause;
      throw new ConfigError(`${file}: ${cause.message}`, { cause });
    }
  }
  return Object.fromEntries(variables);
}

/** Returns undefined when there is no such file. Throws ConfigError. */
async function readText(file: string): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > LARGEST_FILE) throw new ConfigError(`${file} has more than ${LARGEST_FILE} bytes`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${file} cannot be read: ${message}`, { cause });
  }
}

interface Told extends Partial<Position> {
  readonly path: ComposePath;
  readonly message: string;
}

/** Prints one line for each problem, as compilers do: `FILE:LINE:COLUMN: KEY: SENTENCE`. */
function tellProblems(
  { tell }: FleetInput,
  file: string,
  problems: readonly Told[],
  position: (path: ComposePath) => Position | undefined,
): void {
  for (const problem of problems) {
    const { line, column = 1 } = { ...position(problem.path), ...problem };
    const at = line === undefined ? file : `${file}:${line}:${column}`;
    const key = problem.path.length === 0 ? '' : `${describePath(problem.path)}: `;
    tell(printable(`${at}: ${key}${problem.message}`));
  }
}

/** Describes a planned deployment for people. */
function planLines({ hosts, images }: PlanView): readonly string[] {
  const rows = hosts.flatMap(({ host, services }) => services.map((service) => ({ host, ...service })));
  const services = Object.entries(images).map(([service, image]) => ({ service, image }));
  return [
    ...alignedLines(
      rows,
      [
        { head: 'HOST', cell: ({ host }) => host },
        { head: 'SERVICE', cell: ({ service }) => service },
        { head: 'INSTANCES', cell: ({ instances }) => String(instances) },
        { head: 'CHANGE', cell: ({ change }) => change },
      ],
      true,
    ),
    '',
    ...alignedLines(
      services,
      [
        { head: 'SERVICE', cell: ({ service }) => service },
        {
          head: 'IMAGE',
          cell: ({ image: { registry, repository, tag, digest } }) =>
            `${registry === undefined ? '' : `${registry}/`}${repository}${tag === undefined ? '' : `:${tag}`}@${digest}`,
        },
      ],
      true,
    ),
  ];
}
