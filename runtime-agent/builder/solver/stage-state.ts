import type { ImageConfigDefaults } from '../../../oci/image-config.ts';

/** Arguments that only the builder sees. */
const UNSEEN: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The configuration of a stage while its instructions are planned. */
export class StageState {
  readonly config: Mutable<ImageConfigDefaults>;
  author: string | undefined;
  /** ARGs in scope, in order; undefined if declared without a value. */
  readonly #args = new Map<string, string | undefined>();
  /** ARGs that got a value after the ENV of the same name, if there is one. */
  readonly #latest = new Set<string>();
  /** Whether this stage has a CMD: ENTRYPOINT resets that of the base. */
  commandIsOwn = false;
  /** The environment by name, cached. */
  #known: { readonly entries: readonly string[]; readonly values: ReadonlyMap<string, string> } | undefined;

  /** A stage inherits the arguments of the stage below (reference, "Scope"). */
  constructor(base: ImageConfigDefaults, below?: StageState) {
    const { OnBuild: _, ...inherited } = base;
    this.config = { ...inherited };
    if (below === undefined) return;
    this.#args = new Map(below.#args);
    this.#latest = new Set(below.#latest);
  }

  /** The later one counts if an ARG and an ENV have the same name. */
  readonly lookup = (name: string): string | undefined =>
    this.#latest.has(name) ? this.#args.get(name) : (this.environment(name) ?? this.#args.get(name));

  get argumentCount(): number {
    return this.#args.size;
  }

  /** Sets an ARG; without a value it keeps the previous one. */
  setArgument(name: string, value: string | undefined): void {
    if (value === undefined && this.#args.has(name)) return;
    this.#args.set(name, value);
    if (value !== undefined) this.#latest.add(name);
  }

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
    this.#latest.delete(name);
  }

  /** Returns the environment of a RUN: ARGs with a value that no ENV hides, by name, and the environment. */
  environmentForRun(): readonly string[] {
    const seen = [...this.#args].filter(
      ([name, value]) =>
        value !== undefined &&
        !UNSEEN.has(name) &&
        (this.#latest.has(name) || this.environment(name) === undefined),
    );
    const names = new Set(seen.map(([name]) => name));
    const entries = (this.config.Env ?? []).filter((entry) => !names.has(entry.split('=', 1)[0] ?? ''));
    return [...seen.map(([name, value]) => `${name}=${value}`).sort(), ...entries];
  }

  /** Returns all ARGs with their values. */
  argumentsForHistory(): readonly { readonly name: string; readonly value: string }[] {
    return [...this.#args.keys()].map((name) => ({ name, value: this.lookup(name) ?? '' }));
  }

  get workingDirectory(): string {
    return this.config.WorkingDir || '/';
  }

  get shell(): readonly string[] {
    return this.config.Shell ?? ['/bin/sh', '-c'];
  }
}

/** For a duplicate name, the first counts. */
function valuesOf(entries: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const entry of entries) {
    const sign = entry.indexOf('=');
    const name = entry.slice(0, sign);
    if (sign >= 0 && !values.has(name)) values.set(name, entry.slice(sign + 1));
  }
  return values;
}
