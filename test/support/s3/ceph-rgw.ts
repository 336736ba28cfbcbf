import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CleanupScope } from '../cleanup.ts';
import { freePort } from '../free-port.ts';
import { type ManagedProcess, startProcess } from '../managed-process.ts';
import { runCommand } from '../run-command.ts';
import { makeTempDir } from '../temp-dir.ts';
import { waitUntil } from '../wait-until.ts';
import type { S3Server } from './s3-server.ts';

const KEY = 'testkey';
const SECRET = 'testsecret';

export interface CephOptions {
  /** Where objects lie: in memory unless given. Its size is in GiB. */
  readonly disk?: number;
}

export interface CephServer extends S3Server {
  /** SIGKILL to the gateway; what was stored stays. */
  killGateway(): Promise<void>;
  /** Starts the gateway again on the same port, and waits until it answers. */
  startGateway(): Promise<void>;
}

/**
 * Starts Ceph's RADOS Gateway (packages radosgw, ceph-mon, ceph-osd) over a cluster of one node, on loopback, with
 * all state in a fresh folder. Parts of any size are taken.
 */
export async function startCeph(scope: CleanupScope, { disk }: CephOptions = {}): Promise<CephServer> {
  const directory = await makeTempDir(scope, 'ceph');
  for (const folder of ['mon', 'osd', 'rgw']) await mkdir(join(directory, folder));
  const monPort = await freePort();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const classes = await runCommand('find', ['/usr/lib', '-name', 'libcls_rgw.so', '-print', '-quit']);
  const config = join(directory, 'ceph.conf');
  await writeFile(
    config,
    cephConfig({ directory, monPort, port, disk, classes: dirname(classes.stdout.trim()) }),
  );
  const run = (command: string, ...args: string[]) => runCommand(command, ['-c', config, ...args]);
  const start = (command: string, ...args: string[]) =>
    startProcess(scope, command, ['-c', config, ...args, '-f'], { endSignal: 'SIGKILL' });

  const fsid = randomUUID();
  const map = join(directory, 'monmap');
  await runCommand('monmaptool', [
    '--create',
    '--fsid',
    fsid,
    '--addv',
    'a',
    `[v2:127.0.0.1:${monPort}/0]`,
    map,
  ]);
  await run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map);
  start('ceph-mon', '-i', 'a');
  const osdId = randomUUID();
  await run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osdId);
  const ceph = (...args: string[]) => run('ceph', '--connect-timeout', '30', ...args);
  await ceph('osd', 'new', osdId);
  start('ceph-osd', '-i', '0');
  await waitUntil('the OSD is up', async () => (await ceph('osd', 'stat')).stdout.includes('1 up'));
  const user = ['--uid=test', '--display-name=test', `--access-key=${KEY}`, `--secret-key=${SECRET}`];
  await run('radosgw-admin', 'user', 'create', ...user);

  let gateway: ManagedProcess;
  const startGateway = async () => {
    gateway = start('radosgw', '-n', 'client.rgw.a');
    await waitUntil('the gateway answers', async () => {
      if (gateway.exit() !== undefined) throw new Error(`radosgw has ended\n${gateway.output()}`);
      return fetch(endpoint).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  };
  await startGateway();
  return {
    name: 'Ceph RGW',
    endpoint,
    env: { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET },
    startGateway,
    killGateway: async () => {
      await gateway.end('SIGKILL');
    },
  };
}

interface CephLayout {
  readonly directory: string;
  readonly monPort: number;
  readonly port: number;
  readonly disk: number | undefined;
  /** Where the cluster's plugins are: Debian's own setting is right in `/` only. */
  readonly classes: string;
}

function cephConfig({ directory, monPort, port, disk, classes }: CephLayout): string {
  const bytes = (disk ?? 4) * 1024 ** 3;
  // Below the ports that the system gives out itself; who comes to one that is taken tries the next.
  const firstPort = 20_000 + 100 * Math.floor(Math.random() * 120);
  return `[global]
mon host = [v2:127.0.0.1:${monPort}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms bind port min = ${firstPort}
ms bind port max = ${firstPort + 99}
# The gateway asks for "secure" to the monitor, which needs an authentication that is off here.
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${directory}
crash dir = ${directory}
log file = ${directory}/$name.log
mon cluster log file = ${directory}/cluster.log
admin socket = ${directory}/$name.asok
pid file =
keyring = ${directory}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
osd failsafe full ratio = .995
[mon]
mon data = ${directory}/mon
mon data avail warn = 1
mon data avail crit = 0
# New maps are published a second after the last one otherwise.
paxos propose interval = 0.02
paxos min wait = 0.01
mon osd full ratio = .98
mon osd nearfull ratio = .97
mon osd backfillfull ratio = .975
mon max pg per osd = 1000
mon warn on pool no redundancy = false
[osd]
osd data = ${directory}/osd
osd objectstore = ${disk === undefined ? 'memstore' : 'bluestore'}
osd class dir = ${classes}
osd class load list = *
osd class default list = *
memstore device bytes = ${bytes}
bluestore block size = ${bytes}
bluestore block create = true
osd memory target = 939524096
osd op queue = wpq
osd mclock skip benchmark = true
osd op num shards = 2
osd op num threads per shard = 2
osd max scrubs = 0
[client]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw data = ${directory}/rgw
rgw thread pool size = 64
rgw multipart min part size = 1
rgw override bucket index max shards = 1
rgw dynamic resharding = false
rgw run sync thread = false
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
`;
}
