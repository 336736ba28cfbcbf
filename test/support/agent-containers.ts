import { createHash } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import type { Digest } from '../../oci/digest.ts';
import type { ContainerConfig } from '../../runtime-agent/containers/container-info.ts';
import type { Attachment, OutputStream } from '../../runtime-agent/containers/containers.ts';
import {
  createContainers,
  type RunningContainers,
} from '../../runtime-agent/containers/create-containers.ts';
import type { HostConfig } from '../../runtime-agent/containers/host-config.ts';
import { EngineError } from '../../runtime-agent/errors.ts';
import { EventBus } from '../../runtime-agent/events/event-bus.ts';
import type { Image } from '../../runtime-agent/images/image.ts';
import type { Images } from '../../runtime-agent/images/images.ts';
import { type Runtime, selectRuntime } from '../../runtime-agent/oci-runner/runtimes.ts';
import { TreeThreads } from '../../runtime-agent/snapshots/diff/tree-threads.ts';
import { ErofsLayers } from '../../runtime-agent/snapshots/erofs/erofs-layers.ts';
import type { LayerStore } from '../../runtime-agent/snapshots/layer-store.ts';
import { RootfsOverlays } from '../../runtime-agent/snapshots/rootfs-overlays.ts';
import { openVolumes } from '../../runtime-agent/volumes/local-volumes.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { makeBusyboxTree } from './busybox-tree.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { containerConfig, hostConfig, IMAGE } from './container-requests.ts';
import { LONGEST_WAIT } from './longest-wait.ts';
import { loopbackNetworks } from './loopback-networks.ts';
import { tarTree } from './tar-tree.ts';
import { makeTempDir } from './temp-dir.ts';

/** The containers of an agent in this process, over real layers of busybox and a real runtime. */
export interface AgentContainers {
  readonly containers: RunningContainers;
  readonly events: EventBus;
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly runtime: Runtime;
  readonly dataDirectory: string;
  /** Ends this one and opens another over the same folder, as a restart does. */
  restart(): Promise<AgentContainers>;
  close(): Promise<void>;
}

export interface AgentContainersOptions {
  /** Fresh unless given. */
  readonly dataDirectory?: string;
  readonly runtime?: Runtime['name'];
  /** A program that is called in the runtime's place from then on. */
  readonly runtimePath?: string;
  readonly image?: Partial<Image>;
  /** Serves attached clients in the usual one's place. */
  readonly attachWorker?: URL;
}

/** Adds the files that the image has beside busybox. */
export async function makeContainerTree(directory: string): Promise<void> {
  await makeBusyboxTree(directory);
  await appendFile(join(directory, 'etc/passwd'), 'sailor:x:1000:1000::/home/sailor:/bin/sh\n');
  await appendFile(join(directory, 'etc/group'), 'sailor:x:1000:\ncrew:x:2000:sailor\nwheel:x:10:root\n');
}

/** Containers that still run when `scope` ends are removed. Needs root. */
export async function openAgentContainers(
  scope: CleanupScope,
  options: AgentContainersOptions = {},
): Promise<AgentContainers> {
  const dataDirectory = options.dataDirectory ?? join(await makeTempDir(scope, 'containers'), 'data');
  await mkdir(dataDirectory, { recursive: true });
  const layerStore = await ErofsLayers.open(dataDirectory);
  const overlays = await RootfsOverlays.open(dataDirectory, layerStore);
  const diffId = await addTestLayer(scope, layerStore);
  const log = pino({ level: process.env.BERTH_TEST_LOG ?? 'silent' });
  const selected = await selectRuntime({
    workDirectory: join(dataDirectory, 'trial'),
    log,
    ...(options.runtime === undefined ? {} : { candidates: [options.runtime] }),
  });
  const path = options.runtimePath;
  const runtime = path === undefined ? selected : { ...selected, path, program: path };
  return openOver({ ...options, dataDirectory }, { scope, layerStore, overlays, diffId, log, runtime }, true);
}

interface Parts {
  readonly scope: CleanupScope;
  readonly layerStore: LayerStore;
  readonly overlays: RootfsOverlays;
  readonly diffId: Digest;
  readonly log: pino.Logger;
  readonly runtime: Runtime;
}

async function openOver(
  options: AgentContainersOptions & { readonly dataDirectory: string },
  parts: Parts,
  clears: boolean,
): Promise<AgentContainers> {
  const { dataDirectory } = options;
  const { scope, layerStore, overlays, log, runtime } = parts;
  const knex = await openDatabase({ file: join(dataDirectory, 'state.sqlite') });
  const events = new EventBus();
  const trees = new TreeThreads();
  const images = fakeImages({ ...testImage(parts.diffId), ...options.image });
  const containers = await createContainers({
    knex,
    images,
    overlays,
    networks: loopbackNetworks(),
    volumes: await openVolumes({ knex, events, dataDirectory, log }),
    events,
    dataDirectory,
    runDirectory: join(dataDirectory, 'run'),
    runtime,
    trees,
    log,
    ...(options.attachWorker === undefined ? {} : { attachWorker: options.attachWorker }),
  });
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    await containers.close();
    await trees.close();
    await knex.destroy();
  };
  const opened: AgentContainers = {
    containers,
    events,
    layerStore,
    overlays,
    runtime,
    dataDirectory,
    close,
    restart: async () => {
      await close();
      return openOver(options, parts, true);
    },
  };
  if (clears) {
    defer(scope, async () => {
      if (closed) return;
      for (const { id } of await containers.list())
        await containers.remove(id, { force: true, volumes: false });
      await close();
    });
  }
  return opened;
}

/** Keeps the layer's tar for the process, and adds it where it is not there. */
async function addTestLayer(scope: CleanupScope, layerStore: LayerStore): Promise<Digest> {
  const known = await layerStore.list();
  if (known[0] !== undefined) return known[0];
  const tree = join(await makeTempDir(scope, 'tree'), 'tree');
  await makeContainerTree(tree);
  const chunks: Buffer[] = [];
  for await (const chunk of tarTree(tree, { ownedByRoot: true })) chunks.push(chunk as Buffer);
  const tar = Buffer.concat(chunks);
  const diffId: Digest = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  await layerStore.add(
    diffId,
    (async function* () {
      yield tar;
    })(),
    new AbortController().signal,
  );
  return diffId;
}

function testImage(diffId: Digest): Image {
  return {
    id: `sha256:${'1'.repeat(64)}`,
    manifestDigest: `sha256:${'2'.repeat(64)}`,
    platform: { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' },
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'] },
    diffIds: [diffId],
    history: [],
    size: 0,
    repoTags: [IMAGE],
    repoDigests: [],
  };
}

function fakeImages(image: Image): Images {
  const refuse = () => Promise.reject(new Error('not part of this test'));
  return {
    pull: refuse,
    tag: refuse,
    remove: refuse,
    containerGone: async () => undefined,
    list: async () => [image],
    get: async (name) => {
      if (name === IMAGE || name === image.id) return image;
      throw new EngineError('not-found', `No such image: ${name}`);
    },
  };
}

export interface RunOutcome {
  readonly id: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunChanges {
  readonly name?: string;
  readonly config?: Partial<ContainerConfig>;
  readonly host?: Partial<HostConfig>;
  /** Written to stdin, followed by its end. */
  readonly input?: string;
}

/** What `docker run` does: create, attach, wait, start, and all output to the end. */
export async function runContainer(
  { containers }: AgentContainers,
  command: readonly string[],
  changes: RunChanges = {},
): Promise<RunOutcome> {
  const stdin = changes.input !== undefined;
  const { id } = await containers.create({
    ...(changes.name === undefined ? {} : { name: changes.name }),
    config: containerConfig(command, { OpenStdin: stdin, StdinOnce: stdin, ...changes.config }),
    hostConfig: hostConfig(changes.host),
  });
  const attachment = await containers.attach(id, { stdin, stdout: true, stderr: true });
  const { AutoRemove: removes = false } = changes.host ?? {};
  const waiting = await containers.wait(
    id,
    removes ? 'removed' : 'next-exit',
    AbortSignal.timeout(LONGEST_WAIT),
  );
  const output = collectOutput(attachment);
  await containers.start(id);
  if (changes.input !== undefined) {
    await attachment.write(Buffer.from(changes.input));
    attachment.endInput();
  }
  const { exitCode } = await waiting.result;
  return { id, exitCode, ...(await output) };
}

/** Everything until the output ends. */
export async function collectOutput(attachment: Attachment): Promise<Record<OutputStream, string>> {
  const chunks: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  for await (const { stream, data } of attachment.output) chunks[stream].push(Buffer.from(data));
  return {
    stdout: Buffer.concat(chunks.stdout).toString('utf8'),
    stderr: Buffer.concat(chunks.stderr).toString('utf8'),
  };
}

/** The text of a container's log. */
export async function readLogs(
  { containers }: AgentContainers,
  id: string,
  options: { readonly follow?: boolean; readonly tail?: number } = {},
): Promise<string> {
  let text = '';
  const lines = await containers.logs(
    id,
    { stdout: true, stderr: true, follow: false, ...options },
    AbortSignal.timeout(LONGEST_WAIT),
  );
  for await (const { data } of lines) text += Buffer.from(data).toString('utf8');
  return text;
}

/** The pid of the container's first process. */
export async function readPid({ containers }: AgentContainers, id: string): Promise<number> {
  return (await containers.get(id)).state.pid;
}

/** The command line of a process, or undefined. */
export async function readCommandLine(pid: number): Promise<string | undefined> {
  return readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => undefined);
}
