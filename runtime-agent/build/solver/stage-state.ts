import type { ImageConfigDefaults } from '../../../storage/oci/image-config.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The configuration of a stage while its instructions are taken in. */
export class StageState {
  readonly config: Mutable<ImageConfigDefaults>;
  author: string | undefined;
  /** ARGs in scope, in the order in which they came; undefined: declared and without a value. */
  readonly args = new Map<string, string | undefined>();
  /** Whether CMD was given in this stage: ENTRYPOINT resets that of the base. */
  commandIsOwn = false;
  /** The environment by its names, as it was when it was last asked for. */
  #known: { readonly entries: readonly string[]; readonly values: ReadonlyMap<string, string> } | undefined;

  constructor(base: ImageConfigDefaults) {
    const { OnBuild: _, ...inherited } = base;
    this.config = { ...inherited };
  }

  /** ENV wins over ARG. */
  readonly lookup = (name: string): string | undefined => this.environment(name) ?? this.args.get(name);

  environment(name: string): string | undefined {
    const entries = this.config.Env ?? [];
    if (this.#known?.entries !== entries) this.#known = { entries, values: valuesOf(entries) };
    return this.#known.values.get(name);
  }

  setEnvironment(name: string, value: string): void {
    const entries = [...(this.config.Env ?? [])];
    const index = entries.findIndex((entry) => entry === name || entry.startsWith(`${name}=`));
    if (index < 0) entries.push(`${name}=${value}`);
    else entries[index] = `${name}=${value}`;
    this.config.Env = entries;
  }

  /** The ARGs with a value that no ENV hides, `NAME=value` in the order of their names. */
  argumentsForRun(): readonly string[] {
    return [...this.args]
      .flatMap(([name, value]) =>
        value === undefined || this.environment(name) !== undefined ? [] : [`${name}=${value}`],
      )
      .sort();
  }

  get workingDirectory(): string {
    return this.config.WorkingDir || '/';
  }

  get shell(): readonly string[] {
    return this.config.Shell ?? ['/bin/sh', '-c'];
  }
}

/** Of a name that is there twice, the first counts. */
function valuesOf(entries: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const sign = entry.indexOf('=');
    const name = entry.slice(0, sign);
    if (sign >= 0 && !values.has(name)) values.set(name, entry.slice(sign + 1));
  }
  return values;
}
