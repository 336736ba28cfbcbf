import { existsSync } from 'node:fs';
import { readdir, readlink, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { loadLibc } from '../../../lib/linux/libc.ts';
import { listLinks } from '../../../lib/linux/network/links.ts';
import { NetlinkSocket } from '../../../lib/linux/network/netlink-socket.ts';
import { Nftables } from '../../../lib/linux/network/nftables.ts';
import { isProxyRunning } from '../../fleet/ingress/proxy-process.ts';
import { BRIDGE_ALIAS } from '../../networks/plan/place-container.ts';
import { RUN_DIRECTORIES } from '../run-directory.ts';
import type { AgentBridge, AgentTable, HostRemains, RunFolder } from './plan-reset.ts';
import { ownerRuns, type RunOwner, readOwner } from './run-owner.ts';

/** linux/magic.h */
const NSFS_MAGIC = 0x6e736673;

/** Reads the folders that agents have below /run. Must be called outside an agent's mount namespace. */
export async function readFolders(here: RunOwner): Promise<readonly RunFolder[]> {
  const names = (await readdir(RUN_DIRECTORIES).catch(() => [])).filter((name) =>
    /^[0-9a-f]{12}$/.test(name),
  );
  if (names.length === 0) return [];
  const lived = await livedNamespaces();
  return await Promise.all(
    names.map(async (name) => {
      const path = join(RUN_DIRECTORIES, name);
      const owner = await readOwner(path);
      const pinned = await pinnedNamespace(path);
      const isHere = owner === undefined || owner.networkNamespace === here.networkNamespace;
      return {
        path,
        isHere,
        inUse:
          (owner !== undefined && ownerRuns(owner, here)) ||
          (pinned !== undefined && lived.has(pinned)) ||
          (!isHere && lived.has(owner.networkNamespace)) ||
          // It serves in the host's namespace.
          (await isProxyRunning(join(path, 'ingress'))),
        isNoted: owner !== undefined,
        isPinned: pinned !== undefined,
        hasData: owner !== undefined && existsSync(owner.dataDirectory),
      };
    }),
  );
}

/** Reads everything that agents have on this host, in the network namespace of this process. */
export async function readRemains(here: RunOwner): Promise<HostRemains> {
  return { folders: await readFolders(here), tables: readTables(), bridges: readBridges() };
}

function readTables(): readonly AgentTable[] {
  const filter = new Nftables({ elements: true });
  try {
    const { output } = filter.run('list tables inet');
    return [...output.matchAll(/^table inet (berth_[0-9a-f]{8})$/gm)].map(([, name = '']) => {
      const listed = filter.run(`list set inet ${name} bridges`).output;
      return { name, bridges: [...listed.matchAll(/"([^"]+)"/g)].map(([, bridge = '']) => bridge) };
    });
  } finally {
    filter.close();
  }
}

function readBridges(): readonly AgentBridge[] {
  const socket = new NetlinkSocket(loadLibc());
  try {
    const links = listLinks(socket);
    return links
      .filter(({ alias }) => alias.startsWith(BRIDGE_ALIAS))
      .map(({ name, index }) => ({ name, ports: links.filter(({ master }) => master === index).length }));
  } finally {
    socket.close();
  }
}

/** Returns the mount and network namespaces of running processes, as /proc names them. */
async function livedNamespaces(): Promise<ReadonlySet<string>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const links = pids.flatMap((pid) => ['mnt', 'net'].map((kind) => `/proc/${pid}/ns/${kind}`));
  return new Set(await Promise.all(links.map((link) => readlink(link).catch(() => ''))));
}

/** Returns the pinned mount namespace of an agent's folder, as /proc names it. */
async function pinnedNamespace(folder: string): Promise<string | undefined> {
  const pin = join(folder, 'mount-namespace');
  try {
    if ((await statfs(pin)).type !== NSFS_MAGIC) return undefined;
    return `mnt:[${(await stat(pin)).ino}]`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
