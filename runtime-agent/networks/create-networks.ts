import { createHash, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { descriptorLimit } from '../../lib/linux/descriptor-limit.ts';
import { timestamp } from '../../lib/time/timestamp.ts';
import { type Migration, migrate } from '../../storage/catalog/migrate.ts';
import { LISTENING_SHARE, RELAYING_SHARE } from '../bounds.ts';
import type { EventBus } from '../events/event-bus.ts';
import { AddressBook } from './address-book.ts';
import { AgentContainerNetworks } from './agent-container-networks.ts';
import { AgentNetworks } from './agent-networks.ts';
import type { ContainerNetworks } from './container-networks.ts';
import { DnsThread } from './dns/dns-thread.ts';
import { withHostLock } from './host-lock.ts';
import { HostResolvers } from './host-resolvers.ts';
import { NetworkThread } from './kernel/network-thread.ts';
import type { Network } from './network.ts';
import { type NetworkContext, presentNetworks } from './network-context.ts';
import type { Networks } from './networks.ts';
import { PacketFilter } from './packet-filter.ts';
import { choosePool } from './plan/address-pools.ts';
import { defaultBridgeOptions } from './plan/bridge-options.ts';
import { bridgeSpec } from './plan/place-container.ts';
import { PortPublisher } from './publish/port-publisher.ts';
import { SocketBudget } from './publish/relay.ts';
import { restoreBridges } from './restore-sandboxes.ts';
import { NetworkStore } from './state/network-store.ts';
import { NetworkTable } from './state/network-table.ts';

export interface NetworksDeps {
  readonly knex: Knex;
  readonly events: EventBus;
  /** Identifies this agent's table in the packet filter among those of others on the host. */
  readonly dataDirectory: string;
  readonly log: Logger;
}

export interface AgentNetworking {
  readonly networks: Networks;
  readonly containerNetworks: ContainerNetworks;
  /**
   * Stops serving; the kernel's part continues for running containers. With `idle` everything is removed from the
   * kernel; the next use creates it again.
   */
  close(options: { readonly idle: boolean }): Promise<void>;
}

/** Milliseconds between checks of bridges and packet filter. */
const WATCH_INTERVAL = 2_000;

/** Brings the database to its schema and reads the networks. Nothing is done in the kernel before a network is used. */
export async function createNetworks(deps: NetworksDeps): Promise<AgentNetworking> {
  const { knex, events, log } = deps;
  await migrate(knex, NETWORK_MIGRATIONS_TABLE, NETWORK_MIGRATIONS);
  const table = new NetworkTable(knex);
  const store = new NetworkStore(table, await table.list());
  for (const network of predefinedNetworks(store.all())) await store.put(network);
  const kernel = new NetworkThread();
  const context: NetworkContext = {
    store,
    kernel,
    filter: new PacketFilter(kernel, tableName(deps.dataDirectory), () => presentNetworks({ store, kernel })),
    publisher: new PortPublisher(socketBudget(LISTENING_SHARE), socketBudget(RELAYING_SHARE)),
    addresses: new AddressBook(),
    resolvers: new HostResolvers(),
    hostLock: withHostLock,
    dns: new DnsThread(log),
    sandboxes: new Map(),
    events,
    log,
  };
  const watch = setInterval(() => void restoreKernel(context), WATCH_INTERVAL).unref();
  return {
    networks: new AgentNetworks(context),
    containerNetworks: new AgentContainerNetworks(context),
    close: async ({ idle }) => {
      clearInterval(watch);
      await context.dns.close();
      await context.publisher.close();
      if (idle) await leaveKernel(context);
      await kernel.close();
    },
  };
}

/** Restores the kernel's state, because another program may have flushed the packet filter or deleted a bridge. */
async function restoreKernel(context: NetworkContext): Promise<void> {
  if (!context.filter.isMade) return;
  try {
    await restoreBridges(context);
    if (await context.filter.settle())
      context.log.warn('the packet filter was changed by another program, and was set up again');
  } catch (error) {
    context.log.error({ err: error }, 'bridges and packet filter could not be checked');
  }
}

/** Removes bridges and the table, including those of an earlier agent. */
async function leaveKernel(context: NetworkContext): Promise<void> {
  const { kernel, filter } = context;
  const networks = await presentNetworks(context);
  if (!filter.isMade && networks.length === 0) return;
  for (const network of networks) await kernel.run('remove-bridge', bridgeSpec(network));
  await filter.remove(networks);
}

function socketBudget(share: number): SocketBudget {
  return new SocketBudget(Math.floor(descriptorLimit() * share));
}

function tableName(dataDirectory: string): string {
  return `berth_${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 8)}`;
}

/** Returns the three networks of every host that do not exist yet. */
function predefinedNetworks(existing: readonly Network[]): readonly Network[] {
  const names = new Set(existing.map(({ name }) => name));
  const make = (name: string, driver: Network['driver'], more: Partial<Network> = {}): Network => ({
    id: randomBytes(32).toString('hex'),
    name,
    createdAt: timestamp(),
    driver,
    predefined: true,
    enableIpv6: false,
    internal: false,
    attachable: false,
    ipamOptions: null,
    subnets: [],
    subnetChosen: false,
    options: {},
    labels: {},
    bridge: '',
    ...more,
  });
  return [
    make('bridge', 'bridge', {
      bridge: 'berth0',
      options: defaultBridgeOptions('berth0'),
      subnets: [choosePool([])],
    }),
    make('host', 'host'),
    make('none', 'null'),
  ].filter(({ name }) => !names.has(name));
}

/** The table in which `migrate` notes which of these have run. */
const NETWORK_MIGRATIONS_TABLE = 'network_migrations';

/** The schema of the networks' state. The network state of running containers is stored with their run. */
const NETWORK_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-networks',
    async up(knex) {
      await knex.schema.createTable('networks', (table) => {
        table.string('id', 64).primary();
        table.text('name').notNullable().unique();
        table.text('created_at').notNullable();
        // The rest of Network as JSON: nothing is searched by it.
        table.text('settings').notNullable();
      });
    },
  },
];
