/**
 * Tells the parts of this process what changed in the stores of the fleet, so that they need not wait until they look
 * again. A signal is lost if the process ends, and other processes do not get it, so listeners also poll.
 */
export class FleetSignals {
  readonly #targets = new Set<(hosts: readonly string[]) => void>();
  readonly #apps = new Set<(apps: readonly string[]) => void>();

  /** The targets of these hosts, by ID, have new generations. */
  targetsChanged(hosts: readonly string[]): void {
    for (const listener of this.#targets) listener(hosts);
  }

  /** Returns a function that ends it. */
  onTargets(listener: (hosts: readonly string[]) => void): () => void {
    this.#targets.add(listener);
    return () => this.#targets.delete(listener);
  }

  /** A host reported about these apps, connected or went, or they have a new release. */
  appsChanged(apps: readonly string[]): void {
    for (const listener of this.#apps) listener(apps);
  }

  /** Returns a function that ends it. */
  onApps(listener: (apps: readonly string[]) => void): () => void {
    this.#apps.add(listener);
    return () => this.#apps.delete(listener);
  }
}
