import { Expression, ExpressionError } from '../../../lib/pattern/expression.ts';
import { parseSize } from '../../../lib/settings/parse-size.ts';
import { EngineError } from '../../errors.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { variableName } from './process.ts';

/** How a container's output is stored. */
export type LogPlan =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'files';
      /** Maximum bytes of one file; undefined means no limit. */
      readonly maxSize: number | undefined;
      /** Maximum files, including the current one. */
      readonly maxFiles: number;
      /** Whether rotated files are compressed. */
      readonly compress: boolean;
    };

interface Driver {
  readonly maxSize: number | undefined;
  readonly maxFiles: number;
  /** Used when the client sets no limits. */
  readonly compress: boolean;
  readonly options: ReadonlySet<string>;
}

const COMMON = ['max-size', 'max-file', 'compress', 'mode', 'max-buffer-size'];
const DRIVERS: Readonly<Record<string, Driver>> = {
  'json-file': {
    maxSize: undefined,
    maxFiles: 1,
    compress: false,
    options: new Set([...COMMON, 'labels', 'labels-regex', 'env', 'env-regex', 'tag']),
  },
  local: { maxSize: 20_000_000, maxFiles: 5, compress: true, options: new Set(COMMON) },
};
/** Logging drivers of Docker Engine that the agent lacks; dockerd looks for others among its plugins. */
const MISSING_DRIVERS = ['awslogs', 'etwlogs', 'fluentd', 'gcplogs', 'gelf', 'journald', 'splunk', 'syslog'];
/** Maximum rotated files; each one costs a look-up by name. */
const MAX_FILES = 1000;
const SLACK = 1 << 20;

/**
 * Plans the log of a container. Throws EngineError 'bad-request' for invalid options, and 'not-implemented' for unsupported
 * drivers and options.
 */
export function planLog({ Type: type, Config: options }: HostConfig['LogConfig']): LogPlan {
  const name = type === '' ? 'json-file' : type;
  if (name === 'none') {
    const [option] = Object.keys(options);
    if (option !== undefined) refuse(`unknown log opt '${option.slice(0, 40)}' for none log driver`);
    return { kind: 'none' };
  }
  const driver = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined;
  if (driver === undefined) {
    const shown = name.slice(0, 40);
    if (!MISSING_DRIVERS.includes(name)) {
      refuse(`error looking up logging plugin ${shown}: plugin "${shown}" not found`);
    }
    throw new EngineError(
      'not-implemented',
      `the logging driver ${shown} is not supported: this agent has json-file, local and none`,
    );
  }
  for (const option of Object.keys(options)) {
    if (!driver.options.has(option)) {
      refuse(`unknown log opt '${option.slice(0, 40)}' for ${name} log driver`);
    }
  }
  checkDelivery(options);
  const size = options['max-size'];
  const count = options['max-file'];
  const maxSize = size === undefined ? driver.maxSize : parseLimit(size);
  const maxFiles = count === undefined ? driver.maxFiles : parseCount(count);
  const compress = options.compress === undefined ? driver.compress : options.compress === 'true';
  if (compress && (maxFiles === 1 || (maxSize === undefined && name !== 'local'))) {
    refuse(
      name === 'local'
        ? 'compression cannot be enabled when max file count is 1: add compress=false'
        : 'compress cannot be true when max-file is less than 2 or max-size is not set',
    );
  }
  return { kind: 'files', maxSize, maxFiles, compress };
}

/**
 * Returns the bytes after which conmon itself truncates the log; if the agent rotates, this matters only while no agent
 * is running.
 */
export function monitorLimit({
  maxSize,
  maxFiles,
}: Pick<Extract<LogPlan, { kind: 'files' }>, 'maxSize' | 'maxFiles'>): number | undefined {
  if (maxSize === undefined) return undefined;
  return maxFiles === 1 ? maxSize : 2 * maxSize + SLACK;
}

/** `non-blocking` means that a container never waits for the reader of its log, which is always true with a file. */
function checkDelivery(options: Readonly<Record<string, string>>): void {
  const { compress, mode } = options;
  if (compress !== undefined && compress !== 'true' && compress !== 'false') {
    refuse(`invalid log option compress=${compress.slice(0, 40)}: use true or false`);
  }
  if (mode !== undefined && mode !== 'blocking' && mode !== 'non-blocking') {
    refuse(`logger: logging mode not supported: ${mode.slice(0, 40)}`);
  }
  const buffer = options['max-buffer-size'];
  if (buffer === undefined) return;
  if (mode !== 'non-blocking')
    refuse("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  parseLimit(buffer);
}

/** Parses a limit in bytes; -1 means none. */
function parseLimit(text: string): number | undefined {
  if (text === '-1') return undefined;
  const size = parseSize(text, 'decimal');
  if (size === undefined || !Number.isSafeInteger(size)) refuse(`invalid size: '${text.slice(0, 40)}'`);
  if (size <= 0) refuse('max-size must be a positive number');
  return size;
}

function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count)) refuse(`invalid max-file: '${text.slice(0, 40)}' is not a number`);
  if (count < 1) refuse('max-file cannot be less than 1');
  if (count > MAX_FILES) refuse(`max-file cannot be more than ${MAX_FILES}`);
  return count;
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}

/** Maximum steps of one expression over all labels or variables. */
const MAX_STEPS = 2e7;

type Facts = Pick<ContainerInfo, 'id' | 'name' | 'imageId'> & {
  readonly config: Pick<ContainerInfo['config'], 'Labels' | 'Env' | 'Image'>;
};

/** Fields of dockerd's `tag` template, which may be used alone between braces. */
const TAG_FIELDS: Readonly<Record<string, (container: Facts) => string>> = {
  ID: ({ id }) => id.slice(0, 12),
  FullID: ({ id }) => id,
  Name: ({ name }) => name,
  ImageID: ({ imageId }) => imageId.replace('sha256:', '').slice(0, 12),
  ImageFullID: ({ imageId }) => imageId,
  ImageName: ({ config }) => config.Image,
  DaemonName: () => 'docker',
};

/**
 * Returns the text that `docker logs --details` prints before each line: the labels, variables and tag that the log options
 * name, as sorted, escaped, comma-separated `key=value` pairs.
 */
export function logDetails(container: Facts, options: HostConfig['LogConfig']['Config']): string {
  const { labels, env, tag } = options;
  const variables = container.config.Env.map((entry) => {
    const name = variableName(entry);
    return [name, entry.slice(name.length + 1)] as const;
  });
  const picked = [
    ...pick(Object.entries(container.config.Labels), labels, options['labels-regex']),
    ...pick(variables, env, options['env-regex']),
    ...(tag === undefined ? [] : ([['tag', tagText(tag, container)]] as const)),
  ];
  const sorted = [...new Map(picked)].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`).join(',');
}

/** Throws EngineError 'bad-request' for invalid expressions, and 'not-implemented' for unsupported templates. */
export function checkLogDetails(options: HostConfig['LogConfig']['Config']): void {
  expression(options['labels-regex']);
  expression(options['env-regex']);
  const { tag = '' } = options;
  for (const { field } of templateParts(tag)) {
    if (field === undefined) continue;
    if (!field.startsWith('.') || !Object.hasOwn(TAG_FIELDS, field.slice(1))) {
      throw new EngineError(
        'not-implemented',
        `the log option tag with {{${field.slice(0, 40)}}} is not supported by berth-agent: it knows ${Object.keys(TAG_FIELDS).join(', ')}`,
      );
    }
  }
}

function pick(
  entries: readonly (readonly [string, string])[],
  names: string | undefined,
  pattern: string | undefined,
): readonly (readonly [string, string])[] {
  const named = new Set((names ?? '').split(',').filter(Boolean));
  const matching = expression(pattern);
  let left = MAX_STEPS;
  const steps = {
    take: (count: number) => {
      left -= count;
      if (left < 0) {
        throw new EngineError(
          'bad-request',
          `the regular expression ${pattern?.slice(0, 80)} of the log options takes too long for these names`,
        );
      }
    },
  };
  return entries.filter(([key]) => named.has(key) || (matching?.test(key, steps) ?? false));
}

function expression(pattern: string | undefined): Expression | undefined {
  if (pattern === undefined || pattern === '') return undefined;
  try {
    return new Expression(pattern);
  } catch (cause) {
    if (!(cause instanceof ExpressionError)) throw cause;
    const message = `invalid regular expression in the log options: ${pattern.slice(0, 80)}: ${cause.message}`;
    throw new EngineError('bad-request', message, { cause });
  }
}

function tagText(template: string, container: Facts): string {
  return Array.from(templateParts(template), ({ text, field }) =>
    field === undefined ? text : (TAG_FIELDS[field.slice(1)]?.(container) ?? ''),
  ).join('');
}

/** Yields a template's plain text, and the fields between double braces. */
function* templateParts(template: string): Generator<{ readonly text: string; readonly field?: string }> {
  let at = 0;
  for (;;) {
    const open = template.indexOf('{{', at);
    const close = open < 0 ? -1 : template.indexOf('}}', open + 2);
    if (close < 0) break;
    yield { text: template.slice(at, open) };
    yield { text: template.slice(open, close + 2), field: template.slice(open + 2, close).trim() };
    at = close + 2;
  }
  yield { text: template.slice(at) };
}

/** Escapes like Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
