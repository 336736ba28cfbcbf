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

  constructor(base: ImageConfigDefaults) {
    const { OnBuild: _, ...inherited } = base;
    this.config = { ...inherited };
  }

  /** ENV wins over ARG. */
  readonly lookup = (name: string): string | undefined => this.environment(name) ?? this.args.get(name);

  environment(name: string): string | undefined {
    return this.config.Env?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
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
