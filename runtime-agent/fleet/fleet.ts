import type { Knex } from 'knex';
import type { Logger } from 'pino';
import type { HostFacts } from '../../fleet/host.ts';
import type { RegistryMessage } from '../../fleet/messages.ts';
import type { AppTarget, HostTarget } from '../../fleet/target.ts';
import { readBootId } from '../../lib/linux/process/proc.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import type { Image } from '../images/image.ts';
import { AppWorker } from './app-worker.ts';
import { Channels } from './channels.ts';
import { Connection, type ConnectionOwner, type Peer } from './connection.ts';
import { LABELS } from './create-body.ts';
import type { FleetContext, FleetEngine } from './fleet-context.ts';
import { FleetImages } from './fleet-images.ts';
import { FleetStore, NEW_PROGRESS, type StoredApp, type StoredInstance } from './fleet-store.ts';
import { InstanceFiles, type OpenSecret } from './instance-files.ts';
import type { InstanceRoutes } from './instance-routes.ts';
import type { Membership } from './membership.ts';
import { findInstances } from './read-app.ts';
import { RegistryApi } from './registry-api.ts';
import { ReportQueue } from './report-queue.ts';

/** Maximum concurrent creations and starts of containers. */
const MAX_WORK = 4;
/** Milliseconds after an app has settled before unused images are removed. */
const PRUNE_DELAY = 5000;

export interface FleetOptions {
  readonly knex: Knex;
  readonly membership: Membership;
  readonly runDirectory: string;
  readonly exchange: HttpExchange;
  readonly routes: InstanceRoutes;
  readonly hasIngress: boolean;
  readonly log: Logger;
}

/**
 * This host as a member of the fleet: it stores the registry's target, and brings its apps to it. Life cycle:
 *
 *     const fleet = await Fleet.open(options);  // before any container starts: their secrets are files again
 *     await fleet.start(engine);                // instances of the stored target run, with the registry or without
 *     await fleet.close();                      // instances keep running
 */
export class Fleet implements ConnectionOwner {
  readonly #options: FleetOptions;
  readonly #store: FleetStore;
  readonly #files: InstanceFiles;
  readonly #api: RegistryApi;
  readonly #openSecret: OpenSecret;
  readonly #workers = new Map<string, AppWorker>();
  readonly #reports = new ReportQueue();
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #context: FleetContext | undefined;
  #images: FleetImages | undefined;
  #channels: Channels | undefined;
  #facts: HostFacts | undefined;
  #generation = 0;
  #rebooted = false;
  #pruning: NodeJS.Timeout | undefined;

  private constructor(
    options: FleetOptions,
    store: FleetStore,
    files: InstanceFiles,
    openSecret: OpenSecret,
  ) {
    this.#options = options;
    this.#store = store;
    this.#files = files;
    this.#openSecret = openSecret;
    this.#api = new RegistryApi(options.membership, options.exchange);
  }

  /** Restores the files of all instances, as after a reboot. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const { membership, exchange, knex, runDirectory, log } = options;
    if (membership.authority !== undefined)
      exchange.trust(new URL(membership.url).host, membership.authority);
    const store = await FleetStore.open(knex);
    const files = await InstanceFiles.open(runDirectory);
    const { Decrypter } = await import('age-encryption');
    const openSecret: OpenSecret = async (sealed) => {
      const decrypter = new Decrypter();
      decrypter.addIdentity(membership.identity);
      return decrypter.decrypt(Buffer.from(sealed, 'base64'));
    };
    for (const instance of await store.instances()) {
      await files.write(instance, openSecret).catch((err: unknown) => {
        log.error(
          { app: instance.app, service: instance.spec.name, err },
          'the secrets of an instance cannot be restored',
        );
      });
    }
    return new Fleet(options, store, files, openSecret);
  }

  async start(engine: FleetEngine): Promise<void> {
    const { membership, routes, log, exchange, hasIngress } = this.#options;
    const { host } = engine;
    this.#facts = {
      version: host.version,
      operatingSystem: host.operatingSystem,
      platform: `linux/${host.architecture}`,
      processors: host.cpus,
      memory: host.memory,
      allows: membership.allows,
      ingress: hasIngress,
    };
    const images = new FleetImages({
      engine,
      store: this.#store,
      registry: registryName(membership.url),
      credentials: async (signal) => ({
        username: `host:${membership.id}`,
        password: await this.#api.token(signal),
      }),
    });
    this.#images = images;
    this.#context = {
      engine,
      store: this.#store,
      files: this.#files,
      routes,
      openSecret: this.#openSecret,
      allows: membership.allows,
      reference: (image) => images.reference(image),
      pull: (...request) => images.pull(...request),
      work: new Semaphore(MAX_WORK),
    };
    await this.#removeLeftOvers(engine);
    const boot = readBootId();
    const before = await this.#store.exchangeBoot(boot);
    this.#rebooted = before !== undefined && before !== boot;
    const state = await this.#store.state();
    if (state?.host === membership.id) this.#generation = state.generation;
    // From another registry, which this host has left for this one.
    else if (state !== undefined) await this.#store.setTarget(membership.id, { generation: 0, apps: [] });
    await this.#lookAtApps();
    this.#rebooted = false;
    const connection = new Connection(membership, this.#api, exchange, this, log);
    this.#running = connection.run(this.#closing.signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#pruning);
    this.#reports.close();
    this.#channels?.close();
    await Promise.all([this.#running, ...[...this.#workers.values()].map((worker) => worker.close())]);
  }

  /** Reports whether a prune must keep an image. */
  isKept(image: Image): boolean {
    return this.#images?.isKept(image) ?? false;
  }

  get facts(): HostFacts {
    if (this.#facts === undefined) throw new Error('the fleet was not started');
    return this.#facts;
  }

  generation(): number {
    return this.#generation;
  }

  async takeTarget(target: HostTarget): Promise<void> {
    await this.#store.setTarget(this.#options.membership.id, target);
    this.#generation = target.generation;
    await this.#lookAtApps();
  }

  async takeChange(generation: number, set: readonly AppTarget[], remove: readonly string[]): Promise<void> {
    if ((await this.#store.state()) === undefined) {
      await this.takeTarget({ generation, apps: set });
      return;
    }
    await this.#store.changeTarget(generation, set, remove);
    this.#generation = generation;
    await this.#lookAtApps(new Set([...set.map(({ app }) => app), ...remove]));
  }

  allReports() {
    return this.#reports.all();
  }

  connected(peer: Peer): void {
    const context = this.#contextNow;
    this.#channels = new Channels({
      engine: context.engine,
      find: async (app) => findInstances(context, app, await this.#instances()),
      send: (frame) => peer.frame(frame),
    });
    this.#reports.setPeer(peer);
  }

  disconnected(): void {
    this.#reports.setPeer(undefined);
    this.#channels?.close();
    this.#channels = undefined;
  }

  open({ channel, request }: RegistryMessage & { readonly type: 'open' }): void {
    this.#channels?.open(channel, request);
  }

  frame(data: Buffer): void {
    this.#channels?.frame(data);
  }

  get #contextNow(): FleetContext {
    if (this.#context === undefined) throw new Error('the fleet was not started');
    return this.#context;
  }

  async #instances(): Promise<ReadonlyMap<string, StoredInstance>> {
    return new Map((await this.#store.instances()).map((one) => [one.key, one]));
  }

  /** Notifies the workers of apps; `changed` unless all may have changed. */
  async #lookAtApps(changed?: ReadonlySet<string>): Promise<void> {
    const stored = await this.#store.apps();
    this.#images?.setTargets(stored.flatMap(({ target }) => target ?? []));
    for (const one of stored) {
      if (changed !== undefined && !changed.has(one.app)) continue;
      const worker = this.#workers.get(one.app);
      if (worker === undefined) this.#workers.set(one.app, this.#newWorker(one));
      else worker.setTarget(one.target);
    }
    this.#pruneLater();
  }

  #newWorker(stored: StoredApp): AppWorker {
    return new AppWorker({
      context: this.#contextNow,
      stored: { ...stored, progress: { ...NEW_PROGRESS, ...stored.progress } },
      rebooted: this.#rebooted,
      onReport: (report) => {
        const before = this.#reports.get(report.app)?.phase;
        this.#reports.set(report);
        if (before !== report.phase) this.#pruneLater();
      },
      onGone: (app) => {
        this.#workers.delete(app);
        this.#reports.remove(app);
        // It may have a target again.
        void this.#lookAtApps(new Set([app]));
      },
    });
  }

  #pruneLater(): void {
    clearTimeout(this.#pruning);
    if (this.#closing.signal.aborted) return;
    this.#pruning = setTimeout(() => {
      const { engine } = this.#contextNow;
      const isBusy = [...this.#workers.keys()].some((app) => BUSY.has(this.#reports.get(app)?.phase));
      if (isBusy) return;
      engine.containers
        .list()
        .then((containers) => this.#images?.prune(containers))
        .catch((err: unknown) =>
          this.#options.log.warn({ err }, 'unused images of the fleet cannot be removed'),
        );
    }, PRUNE_DELAY);
  }

  /**
   * Removes leftovers of a killed agent: instances that were journalled and never created, and files of removed ones.
   */
  async #removeLeftOvers({ containers }: FleetEngine): Promise<void> {
    const present = new Set((await containers.list()).map(({ config }) => config.Labels[LABELS.key]));
    const stored = (await this.#store.instances()).map(({ key }) => key);
    await this.#store.removeInstances(stored.filter((key) => !present.has(key)));
    for (const key of await this.#files.list()) if (!present.has(key)) await this.#files.remove(key);
  }
}

const BUSY: ReadonlySet<unknown> = new Set(['fetching', 'starting', 'draining']);

/** Returns the registry's name in references: a name without a dot needs its port. */
function registryName(url: string): string {
  const { host, hostname, protocol, port } = new URL(url);
  if (port !== '' || hostname.includes('.') || hostname === 'localhost') return host;
  return `${host}:${protocol === 'https:' ? 443 : 80}`;
}
