import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CleanupScope } from '../../support/cleanup.ts';
import { openWebSocket, startSteadyClients } from '../../support/steady-clients.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { APP, type BenchFleet, ROUTE_HOST, startBenchFleet } from './bench-fleet.ts';
import { BenchImages } from './bench-images.ts';
import type { FleetFigure } from './figures.ts';

const PATH = `/apps/${encodeURIComponent(APP)}`;
const ROOT = dirname(dirname(dirname(import.meta.dirname)));
/** Clients of each host. */
const CLIENTS = 8;
const SOCKETS = 4;
/** Milliseconds for which a WebSocket is open. */
const TALK = 2000;
/** Milliseconds between two messages of a WebSocket. */
const ECHO_PAUSE = 100;

/** A server of HTTP and WebSockets. It ends at SIGTERM at once: requests that are open then fail. */
const SERVER = `
  const { createServer } = require('node:http');
  const { WebSocketServer } = require('${ROOT}/node_modules/ws');
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => setTimeout(() => {
      response.writeHead(200, { 'x-backend': 'web' });
      response.end('a short answer');
    }, Number(new URL(request.url, 'http://web').searchParams.get('ms'))));
  });
  server.keepAliveTimeout = 65000;
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(String(message))));
  server.listen(80);
  process.once('SIGTERM', () => process.exit(0));`;

/** Clients of HTTP and WebSockets at the ingress of each host, while pushes and rollbacks follow each other. */
export async function measureRequests(
  scope: CleanupScope,
  signal: AbortSignal,
  { hosts: count, requests }: { readonly hosts: number; readonly requests: number },
): Promise<readonly FleetFigure[]> {
  const fleet = await startBenchFleet(scope, signal, { hosts: count, allows: ['bind'] });
  const images = new BenchImages(fleet.registry.url, await makeTempDir(scope, 'images'), 100_000);
  await (await images.prepare()).put();
  const web = {
    image: images.reference,
    command: [process.execPath, '-e', SERVER],
    init: true,
    stop_grace_period: '30s',
    // The programs of this machine: an image with Node is large.
    volumes: ['/usr:/usr:ro', '/lib:/lib:ro', '/lib64:/lib64:ro', ...programFolders()],
    deploy: { update_config: { monitor: '1s' } },
    'x-berth': { route: { host: ROUTE_HOST, port: 80 } },
  };
  const body = { compose: { services: { web } }, on: { role: 'web' }, follow: true };
  const { release: first } = await fleet.manage<{ release: number }>('POST', `${PATH}/releases`, body);
  await fleet.untilDone(first);

  const urls = fleet.hosts.map(({ address }) => `http://${address}`);
  const clients = urls.map((url) => startSteadyClients(scope, url, ROUTE_HOST, CLIENTS));
  const sockets = startSocketClients(scope, urls, signal);
  const answered = () => sum(clients.flatMap((one) => [...one.answered.values()]));
  const failed = () => sum(clients.flatMap((one) => [...one.failed.values()]));
  let changes = 0;
  for (; answered() + failed() < requests || changes < 2; changes += 1) {
    await change(fleet, images, first + changes + 1);
    const seen = `${answered()} answered, ${failed()} failed; WebSockets: ${sockets.opened()}, ${sockets.failed()} failed`;
    console.error(`change ${changes + 1}: ${seen}`);
  }
  for (const one of clients) await one.stop();
  await sockets.stop();
  const why = clients.flatMap(({ failed: failures }) =>
    [...failures].map(([text, times]) => `${text}: ${times}`),
  );
  const reasons = why.length === 0 ? '' : ` (${why.join('; ')})`;
  return [
    {
      what: `requests during ${changes} updates and rollbacks of ${count} hosts`,
      value: `${failed()} of ${answered() + failed()} failed${reasons}`,
      target: '0 of 1,000,000',
    },
    {
      what: `… WebSockets of ${TALK / 1000} s`,
      value: `${sockets.failed()} of ${sockets.opened()} failed`,
      target: '0',
    },
  ];
}

/** Pushes three times, then goes back to the release before, which holds what follows tags, and follows again. */
async function change(fleet: BenchFleet, images: BenchImages, release: number): Promise<void> {
  if (release % 4 === 0) await fleet.manage('POST', `${PATH}/rollback`, {});
  else if (release % 4 === 1) await fleet.manage('POST', `${PATH}/follow`, { follow: true });
  else await (await images.prepare()).put();
  await fleet.untilDone(release);
}

/** Opens WebSockets one after another, each for a while. */
function startSocketClients(scope: CleanupScope, urls: readonly string[], signal: AbortSignal) {
  let isOver = false;
  let opened = 0;
  let failures = 0;
  const talk = async (url: string) => {
    const socket = await openWebSocket(scope, url, ROUTE_HOST);
    opened += 1;
    const end = performance.now() + TALK;
    for (let echo = 0; performance.now() < end; echo += 1) {
      const answer = await socket.echo(String(echo));
      if (answer !== String(echo)) throw new Error(`${answer} came back`);
      await sleep(ECHO_PAUSE, undefined, { signal });
    }
    socket.close();
  };
  const running = urls.flatMap((url) =>
    Array.from({ length: SOCKETS }, async () => {
      while (!isOver && !signal.aborted) {
        try {
          await talk(url);
        } catch (error) {
          failures += 1;
          console.error(`a WebSocket failed: ${(error as Error).message}`);
          await sleep(ECHO_PAUSE);
        }
      }
    }),
  );
  return {
    opened: () => opened,
    failed: () => failures,
    stop: async () => {
      isOver = true;
      await Promise.all(running);
    },
  };
}

/** Bind mounts for Node and for what SERVER loads. */
function programFolders(): readonly string[] {
  const folders = new Set([dirname(process.execPath), `${ROOT}/node_modules/ws`]);
  return [...folders]
    .filter((folder) => !folder.startsWith('/usr/'))
    .map((folder) => `${folder}:${folder}:ro`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
