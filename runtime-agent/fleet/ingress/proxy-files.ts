import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../../lib/files/make-folder.ts';
import { writePrivateFile } from '../../../lib/files/private-file.ts';
import type { HostCertificate } from './certificates.ts';
import { type ProxyFiles, renderMap } from './haproxy-config.ts';
import { MAP_NAMES, type MapName, type ProxyState } from './plan-routes.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/** Paths of the files of a proxy in its folder. */
export interface ProxyFolder extends ProxyFiles {
  readonly certificates: string;
  /** The last served state, for starting a proxy after both the previous one and the agent have died. */
  readonly state: string;
}

export function proxyFolder(folder: string): ProxyFolder {
  return {
    plainMap: join(folder, 'plain.map'),
    secureMap: join(folder, 'secure.map'),
    answersMap: join(folder, 'answers.map'),
    certificateList: join(folder, 'certificates.list'),
    certificates: join(folder, 'certificates'),
    root: join(folder, 'empty'),
    state: join(folder, 'state.json'),
  };
}

export function mapFile(files: ProxyFiles, map: MapName): string {
  return map === 'plain' ? files.plainMap : files.secureMap;
}

/** Returns the state that a process of the proxy serves. */
export async function readState(
  admin: ProxyAdmin,
  files: ProxyFolder,
  { plain, secure }: { readonly plain: boolean; readonly secure: boolean },
): Promise<ProxyState> {
  const maps = MAP_NAMES.filter((map) => (map === 'plain' ? plain : secure));
  const [pointers, servers, certificates, tcpPorts] = await Promise.all([
    Promise.all(
      maps.map(async (map) =>
        (await admin.map(mapFile(files, map))).map(({ key, value }) => ({ map, key, value })),
      ),
    ),
    admin.servers(),
    secure ? admin.certificates(files.certificateList) : [],
    admin.tcpPorts(),
  ]);
  return { pointers: pointers.flat(), servers, certificates, tcpPorts };
}

/** Writes the files that a process reads at its start, apart from certificates. `answers` is the content of that map. */
export async function writeFiles(files: ProxyFolder, state: ProxyState, answers: string): Promise<void> {
  makeFolder(files.certificates);
  const pointers = (map: MapName) => renderMap(state.pointers.filter((pointer) => pointer.map === map));
  const list = state.certificates.map(({ file, host }) => `${join(files.certificates, file)} ${host}\n`);
  await Promise.all([
    writePrivateFile(files.plainMap, pointers('plain')),
    writePrivateFile(files.secureMap, pointers('secure')),
    writePrivateFile(files.answersMap, answers),
    writePrivateFile(files.certificateList, list.join('')),
  ]);
}

/** Writes certificates where a process finds them at its start. */
export async function writeCertificates(
  files: ProxyFolder,
  certificates: readonly HostCertificate[],
): Promise<void> {
  makeFolder(files.certificates);
  for (const { file, pem } of certificates) await writePrivateFile(join(files.certificates, file), pem);
}

export async function saveState(files: ProxyFolder, state: ProxyState): Promise<void> {
  await writePrivateFile(`${files.state}.new`, JSON.stringify(state));
  await rename(`${files.state}.new`, files.state);
}

/** Returns undefined when none was saved since the boot. */
export async function loadState(files: ProxyFolder): Promise<ProxyState | undefined> {
  try {
    return JSON.parse(await readFile(files.state, 'utf8')) as ProxyState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
