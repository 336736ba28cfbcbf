import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { ServiceSpec } from '../../../../fleet/service.ts';
import type { AppTarget } from '../../../../fleet/target.ts';
import type { Digest } from '../../../../oci/digest.ts';
import { HttpExchange } from '../../../../oci/distribution/http-exchange.ts';
import { Fleet } from '../../../../runtime-agent/fleet/fleet.ts';
import type { FleetEngine } from '../../../../runtime-agent/fleet/fleet-context.ts';
import { GateError, passGate } from '../../../../runtime-agent/fleet/instance-gate.ts';
import { openDatabase } from '../../../../storage/catalog/database.ts';
import { defer } from '../../../support/cleanup.ts';
import { appTarget, serviceSpec, serviceTarget } from '../../../support/fleet-targets.ts';
import { MemoryHost } from '../../../support/memory-engine.ts';
import { unlessRoot } from '../../../support/unless-root.ts';
import { untilPasses } from '../../../support/until-passes.ts';

const APP = 'team/shop';
const direct = <Result>(work: () => Promise<Result>) => work();

function release(number: number, update: Partial<ServiceSpec['update']>): AppTarget {
  const digest: Digest = `sha256:${'0'.repeat(63)}${number}`;
  const spec = serviceSpec('web', { update: { ...serviceSpec('web').update, ...update } });
  return appTarget(number, [serviceTarget(spec, { registry: 'other.test', repository: 'team/web', digest })]);
}

async function openFleet(t: TestContext, host: MemoryHost): Promise<Fleet> {
  const folder = await mkdtemp('/dev/shm/berth-late-');
  const knex = await openDatabase({ file: join(folder, 'state.sqlite') });
  const fleet = await Fleet.open({
    knex,
    membership: {
      // Nothing listens there: the host goes by what is stored.
      ...{ url: 'http://127.0.0.1:1', id: 'host1', name: 'web1', allows: [], insecure: true },
      key: generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
      identity: 'AGE-SECRET-KEY-1',
    },
    runDirectory: folder,
    exchange: new HttpExchange(),
    routes: host.routes(direct),
    hasIngress: true,
    log: pino({ level: 'silent' }),
  });
  defer(t, async () => {
    await fleet.close();
    await knex.destroy();
    await rm(folder, { recursive: true });
  });
  return fleet;
}

describe('an exit that is told late', { skip: unlessRoot() }, () => {
  test('fails the attempt that it was of, and not the next', async (t) => {
    const host = new MemoryHost();
    const fleet = await openFleet(t, host);
    const engine = host.engine(direct);
    const hanging = Promise.withResolvers<readonly never[]>();
    let asked = 0;
    const containers = Object.assign(Object.create(engine.containers), {
      // The first reader of the log is told when the next attempt is under way.
      logs: () => {
        asked += 1;
        return asked === 1 ? hanging.promise : [];
      },
    });
    await fleet.start({ ...engine, containers } as FleetEngine);
    const report = () => fleet.allReports().reports.find(({ app }) => app === APP);
    const reported = (expected: object) =>
      untilPasses(async () => assert.partialDeepStrictEqual(report(), expected));

    await fleet.takeTarget({ generation: 1, apps: [release(1, { monitor: 0 })] });
    await reported({ phase: 'healthy', release: 1 });
    await fleet.takeTarget({ generation: 2, apps: [release(2, { monitor: 600_000 })] });
    const second = () => host.started.find(({ config }) => config.Labels['io.berth.release'] === '2');
    await untilPasses(async () => assert.ok(second()));
    const id = second()?.id ?? '';
    host.setState(id, { health: { Status: 'healthy', FailingStreak: 0, Log: [] } });
    await untilPasses(async () => assert.equal(report()?.instances[0]?.health, 'healthy'));
    await untilPasses(async () => {
      const running = [...host.containers.values()].filter(({ state }) => state.status === 'running');
      assert.deepEqual(
        running.map((one) => one.id),
        [id],
      );
    });
    host.exit(id, 7);
    await reported({ phase: 'failed', release: 2 });
    assert.ok(asked > 1, `${asked} looked at how it ended`);

    await fleet.takeTarget({ generation: 3, apps: [{ ...release(1, { monitor: 600_000 }), attempt: 2 }] });
    await reported({ release: 1, attempt: 2 });
    hanging.resolve([]);
    // What was waiting for the log goes on meanwhile.
    for (let look = 0; look < 100; look += 1) {
      await sleep(5);
      assert.doesNotMatch(report()?.reason ?? '', /exited/);
    }
  });

  const restarting = async (exitCode: number) => {
    const host = new MemoryHost();
    const engine = host.engine(direct);
    const { id } = await engine.containers.create({
      name: 'web',
      config: { Image: 'web', Labels: {}, Cmd: ['runs'] },
      hostConfig: {},
    } as unknown as Parameters<FleetEngine['containers']['create']>[0]);
    host.setState(id, { status: 'restarting', exitCode, restartCount: 1 });
    const spec = serviceSpec('web', { update: { ...serviceSpec('web').update, monitor: 300 } });
    let isThrough = false;
    const passed = passGate(engine, id, spec, () => undefined, AbortSignal.timeout(10_000)).then(() => {
      isThrough = true;
    });
    passed.catch(() => undefined);
    await sleep(500);
    assert.equal(isThrough, false, 'it does not run');
    host.setState(id, { restartCount: 2 });
    await engine.containers.start(id);
    return passed;
  };

  test('is none of an attempt that began when the machine had ended it, before its policy starts it again', async () => {
    await restarting(255);
  });

  test('is one of the attempt when the instance had crashed before the first look', async () => {
    await assert.rejects(restarting(1), GateError);
  });
});
