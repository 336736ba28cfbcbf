import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Knex } from 'knex';
import { pino } from 'pino';
import type { AppReport } from '../../../../fleet/report.ts';
import type { PinnedImage, ServiceSpec } from '../../../../fleet/service.ts';
import type { AppTarget, HostTarget } from '../../../../fleet/target.ts';
import { Semaphore } from '../../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../../oci/digest.ts';
import { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { Fleet } from '../../../../runtime-agent/fleet/fleet.ts';
import type { Membership } from '../../../../runtime-agent/fleet/membership.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { type CleanupScope, defer } from '../../../support/cleanup.ts';
import { appTarget, serviceSpec, serviceTarget } from '../../../support/fleet-targets.ts';
import { MemoryHost, type Program } from '../../../support/memory-engine.ts';
import { unlessRoot } from '../../../support/unless-root.ts';
import { untilPasses } from '../../../support/until-passes.ts';

const APP = 'team/shop';
/** More changes than any attempt makes. */
const ALL = 1_000;
/** Hosts that are tried at once. */
const AT_ONCE = 12;

const MEMBERSHIP: Membership = {
  // Nothing listens there: the host goes by what is stored.
  ...{ url: 'http://127.0.0.1:1', id: 'host1', name: 'web1', allows: [], insecure: true },
  key: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
  identity: 'AGE-SECRET-KEY-1',
};

interface Scenario {
  readonly name: string;
  /** What the host ran before; undefined: nothing. */
  readonly before?: AppTarget;
  /** Undefined: the app is taken off. */
  readonly target?: AppTarget;
  /** What runs in the end, as `SERVICE rRELEASE`. */
  readonly ends: readonly string[];
  readonly phase?: AppReport['phase'];
}

const route = { kind: 'http', host: 'shop.test', path: '/', port: 80, tls: { kind: 'none' } } as const;
const ports = [{ target: 80, published: 8080, protocol: 'tcp' }] as const;

function release(
  number: number,
  web: Partial<ServiceSpec>,
  { job, program = 'runs' }: { readonly job?: Program; readonly program?: Program } = {},
): AppTarget {
  const update = { ...serviceSpec('x').update, monitor: 0 };
  const service = (name: string, changes: Partial<ServiceSpec>, isJob = false) => {
    const digest: Digest = `sha256:${'0'.repeat(63)}${number}`;
    // Of a registry that wants no login.
    const image: PinnedImage = { registry: 'other.test', repository: `team/${name}`, digest };
    return serviceTarget(serviceSpec(name, { update, ...changes }), image, { job: isJob });
  };
  const dependsOn = [{ service: 'migrate', condition: 'completed', required: true }] as const;
  const configs = [{ source: 'motd', target: '/etc/motd', mode: 0o444 }];
  const services = [
    service('web', { command: [program], configs, ...(job && { dependsOn }), ...web }),
    // The same in each release, as far as it is there.
    service('db', {}),
    ...(job === undefined ? [] : [service('migrate', { command: [job] }, true)]),
  ];
  return appTarget(
    number,
    services.map((one) => (one.spec.name === 'db' ? { ...one, hash: 'db' } : one)),
    { release: { configs: [{ name: 'motd', content: `release ${number}` }] } },
  );
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'a first release', target: release(1, { route }, { job: 'exits 0' }), ends: ['db r1', 'web r1'] },
  {
    name: 'an update',
    before: release(1, { route }),
    target: release(2, { route }, { job: 'exits 0' }),
    ends: ['db r1', 'web r2'],
  },
  {
    name: 'an update that stops the old instance first',
    before: release(1, { route, ports }),
    target: release(2, { route, ports }),
    ends: ['db r1', 'web r2'],
  },
  {
    name: 'a release that fails after it stopped the old instance',
    before: release(1, { route, ports }),
    target: release(2, { route, ports }, { program: 'exits 3' }),
    ends: ['db r1', 'web r1'],
    phase: 'failed',
  },
  {
    name: 'a release whose job fails',
    before: release(1, { route }),
    target: release(2, { route }, { job: 'exits 4' }),
    ends: ['db r1', 'web r1'],
    phase: 'failed',
  },
  { name: 'a removal', before: release(1, { route }), ends: [] },
];

/** A machine whose agent is killed after so many changes of it, and started again. */
class Machine {
  readonly host = new MemoryHost();
  readonly #knex: Knex;
  readonly #folder: string;
  #fleet: Fleet | undefined;

  private constructor(knex: Knex, folder: string) {
    this.#knex = knex;
    this.#folder = folder;
  }

  static async open(scope: CleanupScope): Promise<Machine> {
    // Instances have their files in memory.
    const folder = await mkdtemp('/dev/shm/berth-steps-');
    const knex = await openDatabase({ file: join(folder, 'state.sqlite') });
    const machine = new Machine(knex, folder);
    defer(scope, async () => {
      await machine.#fleet?.close();
      await knex.destroy();
      await rm(folder, { recursive: true });
    });
    return machine;
  }

  get report(): AppReport | undefined {
    return this.#fleet?.allReports().reports.find(({ app }) => app === APP);
  }

  /** Keys of instances as the database has them, and of those with files. */
  async keys(): Promise<readonly string[]> {
    return (await this.#knex('fleet_instances').pluck('key')).sort();
  }

  /** Starts an agent, which is killed after `life` changes. */
  start(life: number) {
    const died = Promise.withResolvers<void>();
    let made = 0;
    let isDead = false;
    const effect = async <Result>(work: () => Promise<Result>): Promise<Result> => {
      if (!isDead) {
        made += 1;
        const result = await work();
        isDead ||= made >= life;
        if (!isDead) return result;
        died.resolve();
      }
      return new Promise(() => undefined);
    };
    // The dead one would wait for what never returns.
    void this.#fleet?.close();
    const opened = Fleet.open({
      knex: withEffects(this.#knex, effect),
      membership: MEMBERSHIP,
      runDirectory: this.#folder,
      exchange: new HttpExchange(),
      routes: this.host.routes(effect),
      hasIngress: true,
      log: pino({ level: 'silent' }),
    });
    const take = async (target: HostTarget) => {
      const fleet = await opened;
      this.#fleet = fleet;
      await fleet.start(this.host.engine(effect));
      await fleet.takeTarget(target);
    };
    return { take, died: died.promise, isDead: () => isDead, made: () => made };
  }
}

/** A database whose transactions are changes of a machine. */
function withEffects(knex: Knex, effect: <Result>(work: () => Promise<Result>) => Promise<Result>): Knex {
  const { client } = knex;
  const group = client.config.transactionGroup;
  const transactionGroup = { run: (work: never) => effect(() => group.run(work)) };
  const config = { ...client.config, transactionGroup };
  const counted = Object.create(client, { config: { value: config } });
  return new Proxy(knex, {
    get: (target, name) => (name === 'client' ? counted : Reflect.get(target, name)),
  });
}

/** Waits until the scenario has ended as it should, with nothing left over, or the agent `isDead`. */
async function assertEnded(
  machine: Machine,
  { target, ends, phase = 'healthy' }: Scenario,
  isDead = () => false,
): Promise<void> {
  const { host } = machine;
  await untilPasses(async () => {
    if (isDead()) return;
    if (target === undefined) assert.equal(machine.report, undefined);
    else assert.partialDeepStrictEqual(machine.report, { phase, release: target.release.number });
    const containers = [...host.containers.values()].filter(({ config }) => !isJob(config.Labels));
    const seen = containers.map(({ config: { Labels }, state }) => {
      const service = Labels['com.docker.compose.service'];
      return `${service} r${Labels['io.berth.release']}${state.status === 'running' ? '' : ` ${state.status}`}`;
    });
    assert.deepEqual(seen.sort(), ends);
    const names = containers.map(({ name }) => name).sort();
    assert.deepEqual(
      names,
      ends.map((one) => `team-shop-${one.split(' ')[0]}-1`),
    );
    const web = containers.filter(({ name }) => name.includes('web'));
    assert.deepEqual(
      (host.led.get(APP) ?? []).map(({ container, address }) => `${container} ${address}`),
      web.map(({ id, activeNetwork }) => `${id} ${activeNetwork?.endpoints[0]?.ipv4.split('/')[0]}`),
    );
    const all = [...host.containers.values()].map(({ config }) => config.Labels['io.berth.key'] ?? '').sort();
    assert.deepEqual(await machine.keys(), all);
    assert.deepEqual([...host.networks.keys()], target === undefined ? [] : ['team-shop_default']);
  });
  if (isDead()) return;
  const jobs = host.started.filter(({ config }) => isJob(config.Labels));
  const wanted = target?.release.services.filter(({ job }) => job) ?? [];
  assert.equal(jobs.length, wanted.length, 'a job runs once');
}

function isJob(labels: Readonly<Record<string, string>>): boolean {
  return labels['com.docker.compose.service'] === 'migrate';
}

async function prepare(scope: CleanupScope, { before }: Scenario): Promise<Machine> {
  const machine = await Machine.open(scope);
  if (before === undefined) return machine;
  await machine.start(ALL).take({ generation: 1, apps: [before] });
  await assertEnded(machine, { name: '', target: before, ends: ['db r1', 'web r1'] });
  return machine;
}

/** The agent takes the target, and is killed after so many changes. Answers how many it makes if it is not. */
async function run(scope: CleanupScope, scenario: Scenario, life: number): Promise<number> {
  const machine = await prepare(scope, scenario);
  const { target } = scenario;
  // The registry says it again at each connection.
  const taken = { generation: 2, apps: target === undefined ? [] : [target] };
  const first = machine.start(life);
  await Promise.race([first.take(taken), first.died]);
  await assertEnded(machine, scenario, first.isDead);
  if (life === ALL) return first.made();
  await machine.start(ALL).take(taken);
  await assertEnded(machine, scenario);
  return life;
}

describe('an agent that is killed after each change', { skip: unlessRoot(), concurrency: true }, () => {
  for (const scenario of SCENARIOS) {
    test(scenario.name, async (t) => {
      const changes = await run(t, scenario, ALL);
      assert.ok(changes > 5, `${changes} changes`);
      const hosts = new Semaphore(AT_ONCE);
      const { signal } = new AbortController();
      const lives = Array.from({ length: changes - 1 }, (_, index) => index + 1);
      const results = lives.map((life) =>
        hosts.hold(signal, () =>
          run(t, scenario, life).catch((cause) => {
            throw new Error(`killed after ${life} of ${changes} changes: ${cause.message}`, { cause });
          }),
        ),
      );
      await Promise.all(results);
    });
  }
});
