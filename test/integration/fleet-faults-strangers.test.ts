import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { AppReport } from '../../fleet/report.ts';
import type { ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { eventually } from '../support/eventually.ts';
import { startFleetHost } from '../support/fleet-host.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const APP = 'team/shop';
const RUN = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];
/** Longer than any test waits. */
const NEVER_ENDS = 10 * 60_000;

/** What people do to instances, past the fleet. */
const ACTS = [
  ['POST', '/stop?t=1', 'stopped'],
  ['POST', '/kill', 'killed'],
  ['POST', '/restart?t=1', 'restarted'],
  ['DELETE', '?force=1', 'removed'],
] as const;

test('an instance that somebody stops, kills, restarts or removes runs again, and no release fails', {
  skip: unlessRoot(),
}, async () => {
  const { agent, images, registry } = await startFleetHost({ after });
  const target = (number: number, monitor: number, late: Partial<ServiceSpec> = {}): AppTarget => {
    const image = { repository: 'team/app', digest: images[0].digest as Digest };
    const services = { web: {}, late };
    return appTarget(
      number,
      Object.entries(services).map(([name, changes]) =>
        serviceTarget(
          serviceSpec(name, {
            command: RUN,
            restart: { name: 'always', maximumRetryCount: 0 },
            healthcheck: { test: ['CMD', 'true'], interval: 100 },
            update: { ...serviceSpec(name).update, monitor },
            ...changes,
          }),
          image,
          { hash: `${name}${number}` },
        ),
      ),
    );
  };
  const instanceOf = ({ instances }: AppReport, service: string, release: number) =>
    instances.find((one) => one.service === service && one.release === release && one.state === 'running');
  const isWell = (report: AppReport, release: number) =>
    report.release === release &&
    report.phase === 'healthy' &&
    ['web', 'late'].every((service) => instanceOf(report, service, release)?.health === 'healthy');
  /** Does it, and waits until the instance runs again as `check` says of the report. */
  const disturb = async (
    service: string,
    release: number,
    [method, path]: (typeof ACTS)[number],
    check: (report: AppReport) => boolean,
  ) => {
    const before = instanceOf(await registry.reported(APP, check), service, release);
    const answer = await callEngineAt(agent.socket, method, `/v1.45/containers/${before?.container}${path}`);
    assert.ok(answer.status < 300, answer.text);
    await registry.reported(APP, (report) => {
      const now = instanceOf(report, service, release);
      return check(report) && now !== undefined && now.startedAt !== before?.startedAt;
    });
  };

  // While the other service is waited for.
  const isWaiting = (report: AppReport) =>
    instanceOf(report, 'web', 1)?.health === 'healthy' && instanceOf(report, 'late', 1) !== undefined;
  registry.setApps(
    target(1, 200, { healthcheck: { test: ['CMD-SHELL', 'test -e /ready'], interval: 100, retries: 1000 } }),
  );
  for (const act of ACTS) {
    await disturb('web', 1, act, isWaiting);
    await disturb('late', 1, act, isWaiting);
  }
  // The last act may have its container started once more.
  await eventually('the other service is ready', async () => {
    const touched = ['exec', 'team-shop-late-1', 'touch', '/ready'];
    return (await agent.docker(touched, { expectExit: 'any' })).exitCode === 0 ? true : undefined;
  });
  await registry.reported(APP, (report) => isWell(report, 1));
  // While they are watched, and when that is over: the old ones are removed then.
  for (const [release, monitor] of [
    [2, NEVER_ENDS],
    [3, 200],
  ] as const) {
    registry.setApps(target(release, monitor));
    await registry.reported(APP, (report) => isWell(report, release));
    if (release === 3) {
      await untilPasses(async () => {
        const { stdout } = await agent.docker(['ps', '-a', '--format', '{{.Label "io.berth.release"}}']);
        assert.equal(stdout, '3\n3\n');
      });
    }
    for (const act of ACTS) await disturb('web', release, act, (report) => isWell(report, release));
  }
  assert.deepEqual(
    registry.history.filter(({ phase }) => phase === 'failed'),
    [],
  );
});
