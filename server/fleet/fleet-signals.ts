/**
 * Notifies the parts of this process of changes in the stores of the fleet, so that they need not wait for their next
 * poll. A signal is lost if the process ends, and other processes do not get it, so listeners also poll.
 */
export class FleetSignals {
  readonly #targets = new Set<(hosts: readonly string[]) => void>();
  readonly #apps = new Set<(apps: readonly string[]) => void>();

  /** Announces that the targets of these hosts, by ID, have new generations. */
  targetsChanged(hosts: readonly string[]): void {
    for (const listener of this.#targets) listener(hosts);
  }

  /** Returns a function that unsubscribes. */
  onTargets(listener: (hosts: readonly string[]) => void): () => void {
    this.#targets.add(listener);
    return () => this.#targets.delete(listener);
  }

  /** Announces that a host reported about these apps, connected or disconnected, or that they have a new release. */
  appsChanged(apps: readonly string[]): void {
    for (const listener of this.#apps) listener(apps);
  }

  /** Returns a function that unsubscribes. */
  onApps(listener: (apps: readonly string[]) => void): () => void {
    this.#apps.add(listener);
    return () => this.#apps.delete(listener);
  }
}
