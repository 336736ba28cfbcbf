import { type FSWatcher, watch } from 'node:fs';
import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { makeFolder } from '../../lib/files/make-folder.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import type { Image } from '../images/image.ts';
import type { Fleet } from './fleet.ts';
import type { FleetEngine } from './fleet-context.ts';
import { type Membership, membershipFolder, readMembership } from './membership.ts';
import type { OpenedIngress } from './open-ingress.ts';

/** Milliseconds after a change of the folder before it is read: a file is replaced in several steps. */
const SETTLE = 100;
/** Milliseconds before an ingress that failed to start is tried again, at first and at most. */
const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 60_000;

export interface FleetDoorOptions {
  readonly knex: Knex;
  readonly dataDirectory: string;
  readonly runDirectory: string;
  readonly exchange: HttpExchange;
  /** Absent for a host without an ingress. */
  readonly ingress?: (signal: AbortSignal) => Promise<OpenedIngress>;
  readonly log: Logger;
}

/**
 * Loads the fleet if this host has joined a registry, also when it joins or leaves while the agent runs. Otherwise none
 * of its code is loaded.
 */
export class FleetDoor {
  readonly #options: FleetDoorOptions;
  #fleet: Fleet | undefined;
  #membership: Membership | undefined;
  #engine: FleetEngine | undefined;
  #ingress: OpenedIngress | undefined;
  readonly #closing = new AbortController();
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: FleetDoorOptions) {
    this.#options = options;
  }

  /** Must be called before any container starts: it restores their secrets files. */
  static async open(options: FleetDoorOptions): Promise<FleetDoor> {
    const door = new FleetDoor(options);
    await door.#takeUp(await readMembership(options.dataDirectory));
    return door;
  }

  /** `host[:port]` of the joined registry if it may be reached without TLS, or with any certificate. */
  get insecureRegistries(): readonly string[] {
    const { url, insecure = false } = this.#membership ?? {};
    return insecure && url !== undefined ? [new URL(url).host] : [];
  }

  isKept(image: Image): boolean {
    return this.#fleet?.isKept(image) ?? false;
  }

  /** Begins to act on the target, and to watch whether the host joins or leaves. */
  async start(engine: FleetEngine): Promise<void> {
    this.#engine = engine;
    await this.#fleet?.start(engine);
    const folder = membershipFolder(this.#options.dataDirectory);
    makeFolder(folder);
    this.#watcher = watch(folder, () => {
      clearTimeout(this.#settling);
      this.#settling = setTimeout(() => this.#look(), SETTLE);
    });
    // It may have joined between the first check and the watch.
    this.#look();
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    clearTimeout(this.#settling);
    this.#closing.abort();
    await this.#turn;
    clearTimeout(this.#retry);
    await this.#fleet?.close();
    await this.#ingress?.close();
  }

  #look(): void {
    const { dataDirectory, log } = this.#options;
    this.#turn = this.#turn
      .then(async () => {
        const membership = await readMembership(dataDirectory);
        if (membership?.id === this.#membership?.id) return;
        await this.#fleet?.close();
        const fleet = await this.#takeUp(membership);
        if (this.#engine !== undefined) await fleet?.start(this.#engine);
        const { url } = membership ?? {};
        log.info({ registry: url }, url === undefined ? 'left the fleet' : 'joined a fleet');
      })
      .catch((err: unknown) => log.error({ err }, 'the fleet cannot be joined'));
  }

  /** Tries the ingress again, and reconnects to tell the registry. */
  #reopen(): void {
    this.#turn = this.#turn
      .then(async () => {
        if (this.#membership === undefined || this.#closing.signal.aborted) return;
        await this.#openIngress();
        if (this.#ingress === undefined) return;
        this.#options.log.info('the ingress was started');
        await this.#fleet?.close();
        const fleet = await this.#takeUp(this.#membership);
        if (this.#engine !== undefined) await fleet?.start(this.#engine);
      })
      .catch((err: unknown) => this.#options.log.error({ err }, 'the fleet cannot be joined'));
  }

  /** Instances run without it: missing routes are better than no instances. */
  async #openIngress(): Promise<void> {
    const { ingress, log } = this.#options;
    const { signal } = this.#closing;
    try {
      this.#ingress ??= await ingress?.(signal);
    } catch (err) {
      if (signal.aborted) return;
      if (this.#pause === FIRST_PAUSE)
        log.error({ err }, 'the ingress cannot be started; it will be tried again');
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#reopen(), this.#pause).unref();
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    }
  }

  async #takeUp(membership: Membership | undefined): Promise<Fleet | undefined> {
    this.#membership = membership;
    this.#fleet = undefined;
    if (membership === undefined) return undefined;
    const { Fleet } = await import('./fleet.ts');
    const { NO_ROUTES } = await import('./instance-routes.ts');
    const { dataDirectory: _, ingress: __, ...options } = this.#options;
    await this.#openIngress();
    const routes = this.#ingress?.routes ?? NO_ROUTES;
    const hasIngress = this.#ingress !== undefined;
    this.#fleet = await Fleet.open({ ...options, membership, routes, hasIngress });
    return this.#fleet;
  }
}
