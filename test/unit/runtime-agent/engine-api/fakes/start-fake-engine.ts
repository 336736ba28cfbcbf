import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Builder } from '../../../../../runtime-agent/builder/builder.ts';
import { createBuildkitApi } from '../../../../../runtime-agent/builder/buildkit/buildkit-api.ts';
import { SyncedFolders } from '../../../../../runtime-agent/builder/buildkit/session/synced-folders.ts';
import type { ImageOutputs } from '../../../../../runtime-agent/builder/image-outputs.ts';
import { createEngineServer } from '../../../../../runtime-agent/engine-api/engine-server.ts';
import type { HostFacts } from '../../../../../runtime-agent/engine-api/host-facts.ts';
import { EngineError } from '../../../../../runtime-agent/errors.ts';
import { EventBus } from '../../../../../runtime-agent/events/event-bus.ts';
import { createNetworks } from '../../../../../runtime-agent/networks/create-networks.ts';
import { openVolumes } from '../../../../../runtime-agent/volumes/local-volumes.ts';
import type { Volumes } from '../../../../../runtime-agent/volumes/volume.ts';
import { openDatabase } from '../../../../../storage/catalog/database.ts';
import { type CleanupScope, defer } from '../../../../support/cleanup.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';
import { FakeContainers } from './fake-containers.ts';
import { FakeImages } from './fake-images.ts';
import { noControl } from './no-control.ts';
import { noExecs } from './no-execs.ts';

export const FAKE_HOST: HostFacts = {
  version: '0.0.1',
  id: 'fake',
  hostname: 'host',
  operatingSystem: 'Debian',
  kernelVersion: '6.1',
  machine: 'x86_64',
  architecture: 'amd64',
  cpus: 2,
  memory: 1024 ** 3,
  cgroupVersion: '1',
  dataDirectory: '/data',
  storageDriver: 'erofs',
  runtime: { name: 'crun', path: '/usr/bin/crun', version: '1.21' },
  insecureRegistries: ['127.0.0.1:5000'],
};

const NO_OUTPUTS: ImageOutputs = {
  compress: unavailable,
  archive: unavailable,
  filesTar: unavailable,
  files: unavailable,
};

function unavailable(): never {
  throw new Error('the fake has no images to give out');
}

/** The Engine API over fakes, on a unix socket. */
export interface FakeEngine {
  readonly socket: string;
  readonly images: FakeImages;
  readonly containers: FakeContainers;
  readonly volumes: Volumes;
  readonly events: EventBus;
  /** Ends streams and stops, as the agent does. */
  stop(): Promise<void>;
}

export async function startFakeEngine(
  scope: CleanupScope,
  options: { readonly builder?: Builder } = {},
): Promise<FakeEngine> {
  const folder = await makeTempDir(scope, 'engine');
  const socket = join(folder, 'e.sock');
  const events = new EventBus();
  const images = new FakeImages();
  const containers = new FakeContainers(images, events);
  const knex = await openDatabase({ file: join(folder, 'state.sqlite') });
  const log = pino({ level: 'silent' });
  const volumes = await openVolumes({ knex, events, dataDirectory: folder, log });
  // Its networks stay names in the database: nothing here runs in them.
  const networking = await createNetworks({ knex, events, dataDirectory: folder, log });
  const stopping = new AbortController();
  const { builder } = options;
  const platform = { os: 'linux', architecture: FAKE_HOST.architecture };
  const worker = { ...FAKE_HOST, platform };
  const archives = { directory: join(folder, 'archives'), limits: { size: 1 << 20, entries: 1000 } };
  if (builder !== undefined) await mkdir(archives.directory);
  const folders = new SyncedFolders(join(folder, 'contexts'));
  const buildkit =
    builder === undefined
      ? undefined
      : createBuildkitApi({
          builder,
          images,
          outputs: NO_OUTPUTS,
          indexes: { put: async () => undefined },
          attestations: { put: async () => {} },
          worker,
          places: { folders, archives },
          cache: folders,
        });
  const server = createEngineServer({
    ...(buildkit === undefined || builder === undefined
      ? {}
      : { buildkit, build: { builder, cache: folders, contexts: archives } }),
    images,
    registryQueries: {
      tags: async () => [],
      search: async () => [],
      describe: async (name) => {
        throw new EngineError('not-found', `manifest for ${name} not found`);
      },
    },
    push: { push: async (name, { progress }) => progress({ kind: 'pushing-to', repository: name }) },
    containers,
    execs: noExecs(),
    control: noControl(),
    stats: { sample: async () => undefined, top: async () => ({ titles: [], processes: [] }) },
    volumes,
    networks: networking.networks,
    events,
    host: FAKE_HOST,
    keepsImage: () => false,
    layerSize: async () => 4096,
    checkLogin: async () => ({ identityToken: '' }),
    log,
    stopping: stopping.signal,
  });
  await new Promise<void>((resolve) => server.http.listen(socket, resolve));
  const stop = async () => {
    stopping.abort();
    await server.close(2000);
  };
  defer(scope, async () => {
    await containers.close();
    buildkit?.close();
    if (server.http.listening) await stop();
    await networking.close({ idle: false });
    await knex.destroy();
  });
  return { socket, images, containers, volumes, events, stop };
}
