import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCertificate } from '../support/certificate-authority.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { setUpPodman } from '../support/podman.ts';
import { pseudoRandomStream } from '../support/pseudo-random.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { type Replicas, startReplicas } from '../support/replicas.ts';
import { PROXIES, startReverseProxy } from '../support/reverse-proxy.ts';
import { runCommand } from '../support/run-command.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { tarFile } from '../support/tar-file.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBigImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

const options = { skip: unlessRoot(), timeout: 900_000 };
const MIB = 1024 * 1024;
/** Of docker's and podman's: a push has the same requests whatever the size. */
const LAYER = MIB;
/** Milliseconds between two pushes of docker and of podman: a restart lasts several, and those by skopeo have no pause. */
const PAUSE = 500;
/** Of the one whose uploads are cut by every stop that does not wait for them: each takes some seconds. */
const SLOW_LAYER = 6 * MIB;
const SLOW_RATE = 2 * MIB;

test(
  'docker and podman push without end while three replicas over a folder are restarted one by one',
  options,
  async (t) => {
    const replicas = await startReplicas(t, { args: ['--log-level', 'warn'] });
    await pushThroughRestarts(t, replicas, { host: replicas.host, trusting: ['--tls-verify=false'] });
  },
);

for (const kind of PROXIES) {
  test(`the same behind ${kind} as deploy/proxies has it`, options, async (t) => {
    const args = ['--shutdown-delay', '4s', '--trusted-proxy', '127.0.0.1', '--log-level', 'warn'];
    await behindProxy(t, kind, await startReplicas(t, { args }));
  });
}

test('the same over S3 and PostgreSQL', options, async (t) => {
  const s3 = await startCeph(t);
  useCredentials(s3);
  await makeBucket(s3, 'rolling');
  const storage = storageUrl(s3.endpoint, 'rolling', 'registry');
  const args = ['--shutdown-delay', '4s', '--trusted-proxy', '127.0.0.1', '--log-level', 'warn'];
  await behindProxy(t, 'haproxy', await startReplicas(t, { storage, args }));
});

async function behindProxy(
  t: TestContext,
  kind: (typeof PROXIES)[number],
  replicas: Replicas,
): Promise<void> {
  const tls = await makeCertificate(t);
  const hosts = replicas.servers.map(({ host }) => host);
  const { host } = await startReverseProxy(t, kind, hosts, tls);
  await pushThroughRestarts(t, replicas, {
    host,
    trusting: [`--cert-dir=${tls.authorityFolder}`, '--tls-verify=true'],
  });
}

interface Entrance {
  /** Where clients push to. */
  readonly host: string;
  /** What podman and skopeo need to be told of its certificate. */
  readonly trusting: readonly string[];
}

/** A new image by each push, none of which is tried twice by its client. */
async function pushThroughRestarts(t: TestContext, replicas: Replicas, entrance: Entrance): Promise<void> {
  const { docker } = await startDockerd(t);
  const { podman } = await setUpPodman(t);
  const { host, trusting } = entrance;
  const pushed = new Map<string, string>();
  let done = false;

  const pushByDocker = async (count: number) => {
    const reference = `${host}/rolling/docker-${count}:1`;
    await docker(['import', '-', reference], { input: await randomTree(`docker ${count}`) });
    const { stdout } = await docker(['push', reference]);
    assert.doesNotMatch(stdout, /Retrying/);
    pushed.set(`rolling/docker-${count}`, /1: digest: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1] ?? '');
    await docker(['rmi', reference]);
  };
  const digestFile = `${await makeTempDir(t, 'digests')}/podman`;
  const pushByPodman = async (count: number) => {
    const reference = `${host}/rolling/podman-${count}:1`;
    await podman(['import', '--quiet', '-', reference], { input: await randomTree(`podman ${count}`) });
    await podman(['push', '--quiet', '--retry=0', ...trusting, `--digestfile=${digestFile}`, reference]);
    pushed.set(`rolling/podman-${count}`, (await runCommand('cat', [digestFile])).stdout.trim());
    await podman(['rmi', reference]);
  };
  const slowly = await startSlowProxy(t, Number(host.split(':')[1]), SLOW_RATE);
  const folder = await imageFolder(t);
  const pushSlowly = async (count: number) => {
    const image = await makeBigImage(folder, SLOW_LAYER, `slow-${count}`);
    const name = `rolling/slow-${count}`;
    const flags = trusting.map((flag) => flag.replace('--', '--dest-'));
    const target = `docker://127.0.0.1:${slowly}/${name}:1`;
    await runCommand(
      'skopeo',
      ['copy', '--retry-times=0', ...flags, `oci:${image.layout}:${image.refName}`, target],
      {
        env: { TMPDIR: folder },
      },
    );
    pushed.set(name, image.digest);
  };
  const clients = [
    { push: pushByDocker, pause: PAUSE, count: 0 },
    { push: pushByPodman, pause: PAUSE, count: 0 },
    { push: pushSlowly, pause: 0, count: 0 },
  ];
  const working = Promise.all(
    clients.map(async (client) => {
      for (; !done; client.count += 1) {
        await client.push(client.count);
        await sleep(client.pause);
      }
    }),
  );
  const restarting = async () => {
    for (const [index, server] of [...replicas.servers, undefined].entries()) {
      // However slow the machine is, each client pushes before, between and after.
      while (clients.some(({ count }) => count <= index)) await sleep(100);
      await server?.restart();
    }
  };
  try {
    await Promise.race([working, restarting()]);
  } finally {
    done = true;
  }
  await working;

  t.diagnostic(`${pushed.size} pushes`);
  for (const [name, digest] of pushed) {
    assert.equal(await manifestDigest(replicas.url, name, '1'), digest, name);
  }
  await docker(['pull', '--quiet', `${host}/rolling/podman-0:1`]);
  await podman(['pull', '--quiet', ...trusting, `${host}/rolling/docker-0:1`]);
}

/** An archive of one file that no other image has, and that does not compress. */
function randomTree(seed: string): Promise<Buffer> {
  return buffer(tarFile('content', LAYER, pseudoRandomStream(LAYER, seed)));
}
