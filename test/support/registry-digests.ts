import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { type HttpRequest, sendRequest } from './http-client.ts';

/** docker-registry sends OCI manifests only to clients that accept their types. */
const ACCEPTED = Object.values(MEDIA_TYPES).join(', ');

/** The digest that a registry gives for a manifest. Throws when the answer is not 200. */
export async function manifestDigest(
  registryUrl: string,
  name: string,
  reference: string,
  user?: NonNullable<HttpRequest['user']>,
): Promise<string> {
  const url = `${registryUrl}/v2/${name}/manifests/${reference}`;
  const answer = await sendRequest(url, {
    method: 'HEAD',
    headers: { accept: ACCEPTED },
    ...(user === undefined ? {} : { user }),
  });
  const digest = answer.headers['docker-content-digest'];
  if (answer.status !== 200 || typeof digest !== 'string') {
    throw new Error(`HEAD ${url} answered ${answer.status}`);
  }
  return digest;
}

/** Reads every blob file of a Berth data folder and returns their number. Throws when one has another digest than its name. */
export async function checkBlobFiles(dataDir: string): Promise<number> {
  let count = 0;
  for await (const path of glob('**/blobs/sha256/*/*', { cwd: dataDir })) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(dataDir, path)), hash);
    const found = hash.digest('hex');
    if (found !== basename(path).split('.')[0])
      throw new Error(`the blob file ${path} holds sha256:${found}`);
    count += 1;
  }
  return count;
}
