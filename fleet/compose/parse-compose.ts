import { isJsonObject } from '../../lib/json/json-fields.ts';
import { checkBounds } from './bounds.ts';
import { ComposeError, type ComposePath, type Position, ProblemList, quote } from './compose-error.ts';
import { COMPOSE_LIMIT, ComposeText } from './compose-text.ts';
import { EnvFileError, parseEnvFile } from './env-file.ts';
import { Field } from './field.ts';
import { interpolate, type Lookup, TemplateError } from './interpolate.ts';

export interface ComposeOptions {
  /** Variables of the person who deploys, and of `.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Reads an `env_file`, `label_file` or the file of a configuration; undefined if there is no such file. */
  readonly readFile: (path: string) => Promise<string | undefined>;
  /** Names that select services with `profiles`; `*` selects all. */
  readonly profiles?: readonly string[];
}

/** A Compose file that no longer depends on this machine: JSON that `readApp` reads. */
export interface ParsedCompose {
  readonly document: Readonly<Record<string, unknown>>;
  /** Messages about values with a possibly surprising meaning. */
  readonly warnings: readonly string[];
  /** Returns the position of a path in the text, or of the nearest value that contains it. */
  position(path: ComposePath): Position | undefined;
}

/**
 * Parses a Compose file on the machine of the person who deploys: YAML with anchors and merge keys, variables,
 * `env_file`, files of configurations, profiles. Throws ComposeError with positions.
 */
export async function parseCompose(text: string, options: ComposeOptions): Promise<ParsedCompose> {
  const source = new ComposeText(text);
  const problems = new ProblemList();
  try {
    checkBounds(source.value, problems);
    problems.throwIfAny();
    const reader = new ComposeReader(options, problems);
    const document = await reader.read(source.value);
    problems.throwIfAny();
    return {
      document,
      warnings: [...reader.unset].map(
        (name) => `the variable ${name} is not set: it is replaced by an empty text`,
      ),
      position: (path) => source.position(path),
    };
  } catch (error) {
    throw error instanceof ComposeError ? withPositions(error, (path) => source.position(path)) : error;
  }
}

/** Returns the same error with the known positions, in the order of the text. */
export function withPositions(
  error: ComposeError,
  position: (path: ComposePath) => Position | undefined,
): ComposeError {
  const problems = error.problems.map((problem) => ({ ...position(problem.path), ...problem }));
  const order = ({ line = 0, column = 0 }: Partial<Position>) => line * COMPOSE_LIMIT + column;
  return new ComposeError(problems.toSorted((one, other) => order(one) - order(other)));
}

class ComposeReader {
  readonly unset = new Set<string>();
  readonly #options: ComposeOptions;
  readonly #problems: ProblemList;
  readonly #lookup: Lookup;

  constructor(options: ComposeOptions, problems: ProblemList) {
    this.#options = options;
    this.#problems = problems;
    const { environment } = options;
    this.#lookup = (name) => (Object.hasOwn(environment, name) ? environment[name] : undefined);
  }

  async read(value: unknown): Promise<Readonly<Record<string, unknown>>> {
    const root = new Field(this.#interpolate(value, []), [], this.#problems);
    if (!isJsonObject(root.value))
      throw new ComposeError([{ path: [], message: 'must be a mapping with services' }]);
    const services = await this.#eachEntry(root.get('services'), (service) => this.#readService(service));
    const configs = await this.#eachEntry(root.get('configs'), (config) => this.#readConfig(config));
    return {
      ...root.value,
      ...(services === undefined ? {} : { services }),
      ...(configs === undefined ? {} : { configs }),
    };
  }

  /** Reads each entry of a mapping; undefined entries are left out. */
  async #eachEntry(
    field: Field,
    read: (entry: Field) => Promise<unknown>,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (!field.isObject) return undefined;
    const entries: [string, unknown][] = [];
    for (const entry of field.entries()) {
      const value = await read(entry);
      if (value !== undefined) entries.push([entry.key, value]);
    }
    return Object.fromEntries(entries);
  }

  async #readService(service: Field): Promise<unknown> {
    if (!isJsonObject(service.value)) return service.value;
    const profiles = service.get('profiles').strings();
    const selected = this.#options.profiles ?? [];
    if (profiles.length > 0 && !selected.includes('*') && !profiles.some((one) => selected.includes(one))) {
      return undefined;
    }
    const { profiles: _profiles, env_file: _envFile, label_file: _labelFile, ...rest } = service.value;
    const own = resolved(service.get('environment').map(), this.#lookup);
    const labels = service.get('labels').map();
    const files = await this.#readEnvFiles(
      service.get('env_file'),
      (name) => this.#lookup(name) ?? own.get(name),
    );
    const labelFiles = await this.#readEnvFiles(service.get('label_file'), () => undefined);
    return {
      ...rest,
      ...(own.size + files.size === 0 ? {} : { environment: Object.fromEntries([...files, ...own]) }),
      // Labels keep their form unless a file adds some, so that paths in errors stay correct.
      ...(labelFiles.size === 0 ? {} : { labels: Object.fromEntries([...labelFiles, ...labels]) }),
    };
  }

  async #readEnvFiles(field: Field, lookup: Lookup): Promise<ReadonlyMap<string, string>> {
    const values = new Map<string, string>();
    for (const item of field.isList ? field.list() : field.isPresent ? [field] : []) {
      const at = item.isObject ? item.get('path') : item;
      const path = at.string();
      if (path === undefined) {
        item.refuse('must be a path');
        continue;
      }
      const isRaw = item.isObject && item.get('format').oneOf(['raw']) !== undefined;
      const text = await this.#options.readFile(path);
      if (text === undefined) {
        if (!item.isObject || (item.get('required').boolean() ?? true))
          at.refuse(`there is no file ${quote(path)}`);
        continue;
      }
      try {
        const parsed = isRaw
          ? parseRawEnvFile(text)
          : parseEnvFile(text, (name) => lookup(name) ?? values.get(name));
        for (const [name, value] of parsed) values.set(name, value);
      } catch (error) {
        if (!(error instanceof EnvFileError || error instanceof TemplateError)) throw error;
        at.refuse(`${path}: ${error.message}`);
      }
    }
    return values;
  }

  async #readConfig(config: Field): Promise<unknown> {
    if (!isJsonObject(config.value)) return config.value;
    const { file, environment, ...rest } = config.value;
    if ([file, environment, rest.content].filter((part) => part !== undefined).length > 1) {
      config.refuse('has more than one of content, file and environment');
    }
    if (file !== undefined) {
      const path = config.get('file').string();
      const content = path === undefined ? undefined : await this.#options.readFile(path);
      if (path !== undefined && content === undefined)
        config.get('file').refuse(`there is no file ${quote(path)}`);
      return { ...rest, content: content ?? '' };
    }
    if (environment !== undefined) {
      const name = config.get('environment').string();
      const content = name === undefined ? undefined : this.#lookup(name);
      if (name !== undefined && content === undefined) {
        config.get('environment').refuse(`the variable ${quote(name)} is not set`);
      }
      return { ...rest, content: content ?? '' };
    }
    return rest;
  }

  #interpolate(value: unknown, path: ComposePath): unknown {
    if (typeof value === 'string') {
      try {
        return interpolate(value, this.#lookup, (name) => this.unset.add(name));
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
        this.#problems.add(path, error.message);
        return value;
      }
    }
    if (Array.isArray(value)) return value.map((item, index) => this.#interpolate(item, [...path, index]));
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#interpolate(item, [...path, key])]),
    );
  }
}

/** Replaces variables without a value by those of `lookup`, or leaves them out. */
function resolved(map: ReadonlyMap<string, string | null>, lookup: Lookup): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, given] of map) {
    const value = given ?? lookup(name);
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

/** Parses `format: raw`: lines of NAME=value, literally. */
function parseRawEnvFile(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').filter((line) => line.includes('=') && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
}
