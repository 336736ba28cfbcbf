import { encodeFrame } from '../../fleet/channel-frame.ts';
import type { HostFacts } from '../../fleet/host.ts';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget, HostTarget } from '../../fleet/target.ts';
import { runBerthIn } from './berth-command.ts';
import type { CleanupScope } from './cleanup.ts';
import { type FleetRegistry, startFleetRegistry } from './fleet-registry.ts';
import type { InProcessOptions } from './in-process-registry.ts';
import { FACTS, type HostSocket, type JoinedHost } from './joined-host.ts';
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, type RegistryClient } from './registry-client.ts';
import { ADMIN_PASSWORD } from './registry-with-accounts.ts';
import type { CommandResult } from './run-command.ts';
import { waitUntil } from './wait-until.ts';

/** A host that is healthy at once, unless an app's image is one of `breaks`. */
export class ObedientHost {
  readonly host: JoinedHost;
  readonly breaks = new Set<string>();
  /** Why an app fails. */
  reason = 'web exited with 1';
  /** Whether it says when an app is gone. */
  tellsGone = true;
  /** Whether it keeps its reports to itself until `speak`. */
  isMute = false;
  /** Whether it becomes mute when it has reported that a release failed. */
  stallsAfterFailure = false;
  #unsaid: AppReport[] = [];
  /** Apps about which it says nothing until `answer`. */
  readonly holds = new Set<string>();
  readonly socket: HostSocket;
  readonly apps = new Map<string, AppTarget>();
  /** What an instance of `web` has written, when somebody asks. */
  readonly logLines: string[] = [];
  /** Releases that it was told to run, in order. */
  readonly told: string[] = [];

  constructor(host: JoinedHost, socket: HostSocket, facts = FACTS) {
    this.host = host;
    this.socket = socket;
    socket.socket.on('message', (data, isBinary) => {
      if (!isBinary) this.#take(JSON.parse(String(data)));
    });
    socket.send({ type: 'hello', facts, generation: 0 });
  }

  #take(message: {
    type: string;
    channel?: number;
    target?: HostTarget;
    set?: AppTarget[];
    remove?: string[];
  }): void {
    if (message.type === 'open') this.#tellLogs(message.channel ?? 0);
    for (const app of message.remove ?? []) {
      this.apps.delete(app);
      if (this.tellsGone) this.socket.send({ type: 'report', reports: [], gone: [app] });
    }
    for (const target of message.target?.apps ?? message.set ?? []) {
      const before = this.apps.get(target.app);
      this.apps.set(target.app, target);
      if (before?.release.number === target.release.number && before.attempt === target.attempt) continue;
      this.told.push(`${target.release.number}`);
      if (!this.holds.has(target.app)) this.answer(target.app);
    }
  }

  #tellLogs(channel: number): void {
    const origin = { service: 'web', instance: 1, release: 1, stream: 'stdout' };
    for (const [second, line] of this.logLines.entries()) {
      const time = new Date(Date.UTC(2026, 11, 1, 12, 0, second)).toISOString().replace('Z', '000000Z');
      const entry = `${JSON.stringify({ ...origin, time, line })}\n`;
      this.socket.socket.send(encodeFrame(channel, 'data', entry));
    }
    this.socket.socket.send(encodeFrame(channel, 'end'));
  }

  /** Reports about an app, as its target is now. */
  answer(app: string): void {
    const target = this.apps.get(app);
    if (target !== undefined) this.#say([this.#report(target)]);
  }

  #say(reports: readonly AppReport[]): void {
    if (this.isMute) this.#unsaid.push(...reports);
    else this.socket.send({ type: 'report', reports, gone: [] });
    this.isMute ||= this.stallsAfterFailure && reports.some(({ phase }) => phase === 'failed');
  }

  /** Sends what it has kept to itself, and all reports from now on. */
  speak(): void {
    this.isMute = false;
    this.#say(this.#unsaid.splice(0));
  }

  #report({ app, attempt, release }: AppTarget): AppReport {
    const failed = release.services.some(({ image }) => this.breaks.has(image.digest));
    return {
      app,
      release: release.number,
      attempt,
      phase: failed ? 'failed' : 'healthy',
      ...(failed && { reason: this.reason }),
      instances: release.services.flatMap(({ spec, image, instances }) =>
        instances.map((instance) => ({
          service: spec.name,
          instance,
          release: release.number,
          container: `${spec.name}-${instance}`,
          image: image.digest,
          state: 'running' as const,
          health: 'healthy' as const,
          restarts: 0,
        })),
      ),
      jobs: {},
      prefetched: true,
    };
  }
}

/** Joins a host that obeys. */
export async function obey(
  registry: FleetRegistry,
  name: string,
  labels: Readonly<Record<string, string>> = {},
  facts: HostFacts = FACTS,
): Promise<ObedientHost> {
  const host = await registry.join(name, labels);
  return new ObedientHost(host, await host.connect(), facts);
}

/** Pushes an image for Linux that `text` tells apart; answers its digest. */
async function push(
  client: RegistryClient,
  repository: string,
  tag: string,
  { text, architecture }: { readonly text: string; readonly architecture: string },
): Promise<string> {
  const content = JSON.stringify({
    os: 'linux',
    architecture,
    config: { Env: [`TEXT=${text}`] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
  });
  const config = await client.pushBlob(repository, content);
  const layer = await client.pushBlob(repository, 'a layer');
  return client.pushManifest(repository, tag, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { ...config, mediaType: OCI_CONFIG },
    layers: [{ ...layer, mediaType: OCI_LAYER }],
  });
}

/** A registry with hosts and one repository, `team/web`. */
export interface World {
  readonly registry: FleetRegistry;
  readonly hosts: readonly ObedientHost[];
  readonly image: string;
  /** For amd64 unless said otherwise. */
  push(text: string, tag?: string, architecture?: string): Promise<string>;
  /** The environment in which `berth` is the administrator's. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a `berth` command in it. */
  berth(...args: readonly string[]): Promise<CommandResult>;
  deploy(body?: object, app?: string): Promise<Response>;
  /** The newest release once it has ended. */
  ended(app?: string): Promise<Record<string, unknown>>;
  history(app?: string): Promise<readonly Record<string, unknown>[]>;
  ps(app?: string): Promise<readonly Record<string, unknown>[]>;
}

/** The app that is deployed unless another is named. */
export const APP = 'team/shop';
/** Of a service whose instances count as healthy at once: a rollout ends without watching them. */
export const UNWATCHED = { deploy: { update_config: { monitor: '0s' } } } as const;

/** Starts a registry with obedient hosts of these names. */
export async function openWorld(
  t: CleanupScope,
  names: readonly string[],
  options: InProcessOptions = {},
): Promise<World> {
  const registry = await startFleetRegistry(t, options);
  const hosts = await Promise.all(names.map((name) => obey(registry, name)));
  const image = `${new URL(registry.url).host}/team/web:main`;
  const path = (app: string) => `/apps/${encodeURIComponent(app)}`;
  const list = async (app: string, what: 'releases' | 'instances') => {
    const answer = await registry.manage('GET', `${path(app)}/${what}`);
    return ((await answer.json()) as Record<string, Record<string, unknown>[]>)[what] ?? [];
  };
  const env = {
    BERTH_SERVER: registry.url,
    BERTH_TOKEN: `admin:${ADMIN_PASSWORD}`,
    DOCKER_CONFIG: registry.data,
  };
  const world: World = {
    registry,
    hosts,
    image,
    push: (text, tag = 'main', architecture = 'amd64') =>
      push(registry.admin, 'team/web', tag, { text, architecture }),
    env,
    berth: (...args) => runBerthIn(env, ...args),
    deploy: (body = {}, app = APP) =>
      registry.manage('POST', `${path(app)}/releases`, {
        compose: { services: { web: { image, ...UNWATCHED } } },
        ...body,
      }),
    history: (app = APP) => list(app, 'releases'),
    ps: (app = APP) => list(app, 'instances'),
    ended: async (app = APP) => {
      let newest: Record<string, unknown> = {};
      await waitUntil('the release ends', async () => {
        [newest = {}] = await world.history(app);
        return newest.endedAt !== null && newest.endedAt !== undefined;
      });
      return newest;
    },
  };
  return world;
}
