import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import type { SecretsKey } from '../../storage/fleet/secrets-key.ts';
import type { Route } from '../api/route.ts';
import type { IdentifyAgain } from '../api/while-allowed.ts';
import type { SharedDuty } from '../background/shared-duty.ts';
import { RegistryError } from '../errors.ts';
import type { OpenedStorage } from '../open-storage.ts';
import type { Certificate } from '../tls/certificate.ts';
import { privateAuthority } from '../tls/private-authority.ts';
import { appRoutes } from './app-routes.ts';
import { channelRoutes, type OpenChannel } from './channel-routes.ts';
import { Deployments } from './deployments.ts';
import type { FleetDependencies } from './fleet-router.ts';
import { FleetSignals } from './fleet-signals.ts';
import { FollowPushes } from './follow-pushes.ts';
import { HostHub } from './host-hub.ts';
import { hostRoutes } from './host-routes.ts';
import type { HostTokens } from './host-tokens.ts';
import { notConnected, ReplicaChannels } from './replica-channels.ts';
import { RolloutDriver } from './rollout-driver.ts';
import { createTellEnd, recordingReleases } from './tell-end.ts';

export interface FleetParts {
  readonly storage: Pick<OpenedStorage, 'apps' | 'blobs' | 'catalog' | 'hosts' | 'messages'>;
  readonly secretsKey: SecretsKey;
  /** Decides which of several registries drives the rollouts; absent if there is only one. */
  readonly duty?: SharedDuty;
  readonly tokens: HostTokens;
  readonly metrics: MetricSet;
  readonly log: Logger;
  /** Returns the certificate of this registry; undefined without TLS. */
  readonly certificate: () => Certificate | undefined;
  readonly identifyAgain: IdentifyAgain;
}

/** The fleet of a registry: dependencies of its routes, and its background work. */
export interface OpenedFleet extends FleetDependencies {
  /** Routes of the management API. */
  readonly routes: readonly Route[];
  /** Announces that a manifest was pushed with these tags. */
  pushed(repository: string, tags: readonly string[], by: string): void;
  /** Serves the connections of hosts and drives rollouts until `signal` aborts; resolves then. */
  keep(signal: AbortSignal): Promise<void>;
  /** Sends all hosts to another process. Resolves when that is recorded. */
  close(): Promise<void>;
}

export function openFleet({
  storage,
  secretsKey,
  duty,
  tokens,
  metrics,
  log,
  certificate,
  identifyAgain,
}: FleetParts): OpenedFleet {
  const { catalog, hosts } = storage;
  const { apps, blobs } = storage;
  const signals = new FleetSignals();
  const deployments = new Deployments({ apps, hosts, stores: { catalog, blobs }, signals });
  const follow = new FollowPushes(apps, recordingReleases(deployments, catalog.audit), log);
  const driver = new RolloutDriver({
    apps,
    hosts,
    secretsKey,
    signals,
    log,
    ...(duty && { duty }),
    onEnd: createTellEnd(catalog.audit, catalog.webhooks),
  });
  const messages = storage.messages;
  const replica = messages?.self ?? randomUUID();
  const hub = new HostHub({ hosts, signals, audit: catalog.audit, log, replica });
  const replicas = messages && new ReplicaChannels(messages, hub, log);
  const openChannel: OpenChannel = async (host, request, by) => {
    const connection = hub.find(host.id);
    if (connection !== undefined) return connection.openChannel(request, by);
    if (replicas !== undefined) return replicas.open(host, request, by);
    throw new RegistryError('HOST_UNREACHABLE', notConnected(host.name));
  };
  exposeHosts(metrics, hub);
  const authority = async () => {
    const chain = certificate()?.cert;
    return chain === undefined ? undefined : privateAuthority(chain);
  };
  let closed: Promise<void> | undefined;
  return {
    hosts,
    hub,
    signals,
    tokens,
    routes: [
      ...hostRoutes({ hosts, hub, signals, authority }),
      ...appRoutes({ apps, hosts, catalog, deployments, secretsKey, signals }),
      ...channelRoutes({ hosts, openChannel, audit: catalog.audit, identifyAgain }),
    ],
    pushed: (repository, tags, by) => {
      for (const tag of tags) follow.pushed({ repository, tag, by });
    },
    keep: async (signal) => {
      await Promise.all([hub.keep(signal), replicas?.keep(signal), driver.run(signal), follow.keep(signal)]);
    },
    close: () => {
      closed ??= hub.close();
      return closed;
    },
  };
}

function exposeHosts(metrics: MetricSet, hub: HostHub): void {
  metrics.gauge(
    { name: 'berth_fleet_connections', help: 'Hosts that are connected to this process.' },
    () => hub.size,
  );
  const messages = metrics.counter({
    name: 'berth_fleet_messages_total',
    help: 'Messages of and to hosts, by direction and type.',
  });
  hub.onMessage = ({ direction, type }) => {
    messages.with({ direction, type }).value += 1;
  };
}
