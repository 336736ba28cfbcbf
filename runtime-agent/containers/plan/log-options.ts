import { parseSize } from '../../../lib/settings/parse-size.ts';
import { EngineError } from '../../errors.ts';
import type { HostConfig } from '../host-config.ts';

/** How a container's output is stored. */
export type LogPlan =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'files';
      /** Bytes of one file; undefined is no limit. */
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
/** Maximum rotated files; each is looked for by name. */
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
 * Returns bytes after which conmon itself truncates the log; where the agent rotates, this matters only while no agent
 * runs.
 */
export function monitorLimit({
  maxSize,
  maxFiles,
}: Pick<Extract<LogPlan, { kind: 'files' }>, 'maxSize' | 'maxFiles'>): number | undefined {
  if (maxSize === undefined) return undefined;
  return maxFiles === 1 ? maxSize : 2 * maxSize + SLACK;
}

/** `non-blocking` asks that a container never waits for a reader of its log: it has none, as the log is a file. */
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

/** Parses a limit in bytes, where -1 is none. */
function parseLimit(text: string): number | undefined {
  if (text === '-1') return undefined;
  const size = parseSize(text, 'decimal');
  if (size === undefined || !Number.isSafeInteger(size)) refuse(`invalid size: '${text.slice(0, 40)}'`);
  if (size <= 0) refuse('max-size must be a positive number');
  return size;
}

function parseCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count)) refuse(`invalid max-file: '${text.slice(0, 40)}' is no number`);
  if (count < 1) refuse('max-file cannot be less than 1');
  if (count > MAX_FILES) refuse(`max-file cannot be more than ${MAX_FILES}`);
  return count;
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}
