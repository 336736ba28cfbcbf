import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostCertificate } from './certificates.ts';
import { serverOptions } from './haproxy-config.ts';
import { MAP_NAMES, type Server, type Step } from './plan-routes.ts';
import type { ProxyAdmin } from './proxy-admin.ts';
import { mapFile, type ProxyFolder } from './proxy-files.ts';

/** Applies steps in order. Throws IngressError at the first that the proxy refuses; later ones are not tried. */
export async function applySteps(
  admin: ProxyAdmin,
  files: ProxyFolder,
  steps: readonly Step[],
  certificates: readonly HostCertificate[],
): Promise<void> {
  const pems = new Map(certificates.map((certificate) => [certificate.file, certificate.pem]));
  for (const run of runsOf(steps)) {
    switch (run[0]?.kind) {
      case 'offer':
        for (const step of run) if (step.kind === 'offer') await offer(admin, files, step, pems);
        break;
      case 'withdraw':
        for (const step of run) if (step.kind === 'withdraw') await withdraw(admin, files, step);
        break;
      case 'point':
      case 'unpoint':
        await changeMaps(admin, files, run);
        break;
      default:
        await admin.runAll(run.flatMap(serverCommands));
    }
  }
}

/** Splits steps into runs of one kind. */
function runsOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const runs: Step[][] = [];
  for (const step of steps) {
    const last = runs.at(-1);
    if (last?.[0]?.kind === step.kind) last.push(step);
    else runs.push([step]);
  }
  return runs;
}

function serverCommands(step: Step): readonly string[] {
  if (step.kind === 'add-server') {
    const { server } = step;
    const name = `${server.slot}/${server.name}`;
    return [`add server ${name} ${serverOptions(server)}`, stateCommand(server)];
  }
  if (step.kind === 'set-state') return [stateCommand(step.server)];
  if (step.kind === 'set-weight') {
    const { slot, name, weight } = step.server;
    return [`set server ${slot}/${name} weight ${weight}`];
  }
  return [];
}

const PROXY_STATES = { ready: 'ready', draining: 'drain', leaving: 'maint' } as const;

/**
 * Returns the command for a server's state. A server in maintenance keeps its open requests, gets no others, and can be
 * removed.
 */
function stateCommand({ slot, name, state }: Server): string {
  return `set server ${slot}/${name} state ${PROXY_STATES[state]}`;
}

/**
 * Changes maps. Keys are sent as lines of a payload, which needs no escaping; an existing entry is named by its
 * reference.
 */
async function changeMaps(admin: ProxyAdmin, files: ProxyFolder, steps: readonly Step[]): Promise<void> {
  for (const map of MAP_NAMES) {
    const changes = steps.flatMap((step) =>
      (step.kind === 'point' || step.kind === 'unpoint') && step.pointer.map === map ? [step] : [],
    );
    if (changes.length === 0) continue;
    const path = mapFile(files, map);
    const refs = new Map((await admin.map(path)).map(({ key, ref }) => [key, ref]));
    const added: string[] = [];
    const commands: string[] = [];
    for (const { kind, pointer } of changes) {
      const ref = refs.get(pointer.key);
      if (kind === 'unpoint') {
        if (ref !== undefined) commands.push(`del map ${path} #${ref}`);
      } else if (ref === undefined) added.push(`${pointer.key} ${pointer.value}\n`);
      else commands.push(`set map ${path} #${ref} ${pointer.value}`);
    }
    await addToMap(admin, path, added);
    await admin.runAll(commands);
  }
}

/** Maximum bytes of one payload; HAProxy's buffer has 16 KiB. */
const MAX_PAYLOAD = 12_000;

/** Adds lines of a key and a value to a map that lacks these keys. */
export async function addToMap(admin: ProxyAdmin, path: string, lines: readonly string[]): Promise<void> {
  let payload = '';
  for (const line of lines) {
    if (payload !== '' && payload.length + line.length > MAX_PAYLOAD) {
      await admin.runWith(`add map ${path}`, payload);
      payload = '';
    }
    payload += line;
  }
  if (payload !== '') await admin.runWith(`add map ${path}`, payload);
}

async function offer(
  admin: ProxyAdmin,
  files: ProxyFolder,
  { certificate: { file, host } }: Step & { readonly kind: 'offer' },
  pems: ReadonlyMap<string, string>,
): Promise<void> {
  const path = join(files.certificates, file);
  const isKnown = (await admin.run('show ssl cert')).split('\n').some((line) => line.endsWith(path));
  if (!isKnown) await admin.runAll([`new ssl cert ${path}`]);
  await admin.runWith(`set ssl cert ${path}`, pems.get(file) ?? '');
  await admin.runAll([`commit ssl cert ${path}`]);
  await admin.runWith(`add ssl crt-list ${files.certificateList}`, `${path} ${host}`);
}

async function withdraw(
  admin: ProxyAdmin,
  files: ProxyFolder,
  { certificate: { file } }: Step & { readonly kind: 'withdraw' },
): Promise<void> {
  const path = join(files.certificates, file);
  await admin.runAll([`del ssl crt-list ${files.certificateList} ${path}`]);
  await admin.runAll([`del ssl cert ${path}`]);
  await rm(path, { force: true });
}
