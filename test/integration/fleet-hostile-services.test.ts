import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { Digest } from '../../oci/digest.ts';
import { startFleetHost } from '../support/fleet-host.ts';
import { appTarget, serviceSpec, serviceTarget } from '../support/fleet-targets.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const APP = 'team/shop';
const update = { ...serviceSpec('x').update, monitor: 0 };
const PATTERN = '/proc/sys/kernel/core_pattern';
const config = (target: string) => ({ configs: [{ source: 'motd', target, mode: 0o444 }] });

/** What a Compose file may say, for a host without --allow, and why the host refuses it. */
const SERVICES: readonly (readonly [string, Partial<ServiceSpec>, RegExp])[] = [
  [
    'a setting of the kernel of the host',
    { sysctls: { 'kernel.core_pattern': '|/x' } },
    /^sysctl 'kernel.core_pattern' is not allowed/,
  ],
  ['tmpfs over /proc', { tmpfs: ['/proc'] }, /"\/proc" cannot be mounted because/],
  [
    'a mount of tmpfs over /proc',
    { mounts: [{ type: 'tmpfs', target: '/proc' }] },
    /"\/proc" cannot be mounted because/,
  ],
  [
    'tmpfs over /proc by a longer path',
    { tmpfs: ['/x/../proc/sys'] },
    /^invalid mount path: '\/x\/..\/proc\/sys'/,
  ],
  ['a configuration in /proc', config(PATTERN), /cannot be mounted because it is inside \/proc$/],
  [
    'a configuration over /proc/self',
    config('/proc/self/environ'),
    /cannot be mounted because it is inside \/proc$/,
  ],
  ['a configuration over /sys', config('/sys/kernel/uevent_helper'), /\/sys\/kernel\/uevent_helper/],
  ['a resolver that is none', { dns: ['nonsense'] }, /^bad nameserver address nonsense/],
  ['a host name with a line', { hostname: 'a\n1.2.3.4 registry.example' }, /^invalid hostname format/],
  ['a user with a line', { user: 'a\nb' }, /^unable to find user a/],
  ['a signal that is none', { stopSignal: 'SIGNOSUCH' }, /^invalid signal: SIGNOSUCH$/],
  [
    'a logging driver that sends elsewhere',
    { logging: { driver: 'syslog', options: {} } },
    /^the logging driver syslog is not supported/,
  ],
  ['an unknown limit', { ulimits: [{ name: 'nosuch', soft: 1, hard: 1 }] }, /^invalid ulimit type: nosuch$/],
];

test('a release that asks for what no container may have fails with a reason, and the host stays as it was', {
  skip: unlessRoot(),
}, async (t) => {
  const { agent, images, registry } = await startFleetHost(t);
  const image = { repository: 'team/app', digest: images[0].digest as Digest };
  const target = (number: number, changes: Partial<ServiceSpec>): AppTarget =>
    appTarget(
      number,
      [
        serviceTarget(
          serviceSpec('web', { command: ['sleep', '600'], init: true, update, ...changes }),
          image,
          {
            hash: `web${number}`,
          },
        ),
      ],
      { release: { configs: [{ name: 'motd', content: 'x' }] }, timeout: 20_000 },
    );
  const ended = (number: number) =>
    registry.reported(
      APP,
      ({ phase, release }) => release === number && (phase === 'healthy' || phase === 'failed'),
    );
  const before = await readFile(PATTERN, 'utf8');
  registry.setApps(target(1, {}));
  assert.equal((await ended(1)).phase, 'healthy');
  for (const [index, [what, changes, reason]] of SERVICES.entries()) {
    const number = index + 2;
    registry.setApps(target(number, changes));
    const report = await ended(number);
    assert.equal(report.phase, 'failed', what);
    assert.match(report.reason ?? '', reason);
    assert.equal(await readFile(PATTERN, 'utf8'), before, what);
  }
  await untilPasses(async () => {
    const { stdout } = await agent.docker(['ps', '-a', '--format', '{{.Label "io.berth.release"}}']);
    assert.equal(stdout, '1\n');
  });
});
