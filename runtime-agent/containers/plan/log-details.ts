import { Expression, ExpressionError } from '../../../lib/pattern/expression.ts';
import { EngineError } from '../../errors.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { variableName } from './command.ts';

/** Maximum steps of one expression over all labels or variables. */
const MAX_STEPS = 2e7;

type Facts = Pick<ContainerInfo, 'id' | 'name' | 'imageId'> & {
  readonly config: Pick<ContainerInfo['config'], 'Labels' | 'Env' | 'Image'>;
};

/** Fields of dockerd's `tag` template, each alone between braces. */
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

/** A template's plain text, and the fields that stand between double braces. */
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

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/%20/g, '+')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
