import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type HttpAnswer, type HttpRequest, sendRequest } from './http-client.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

export interface TestDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** A registry over plain HTTP, one request at a time, without the tolerance of a real client. */
export interface RegistryClient {
  send(method: string, path: string, options?: Omit<HttpRequest, 'method'>): Promise<HttpAnswer>;
  /** Begins an upload and answers the path of its session. */
  begin(repository: string): Promise<string>;
  pushBlob(repository: string, content: Uint8Array | string): Promise<TestDescriptor>;
  /** Pushes a manifest, which may be any JSON; fails unless the answer is 201. Answers its digest. */
  pushManifest(repository: string, reference: string, manifest: object, mediaType?: string): Promise<string>;
  /** Pushes an image of one small layer under a tag. */
  pushImage(repository: string, tag: string): Promise<TestImage>;
}

export interface TestImage {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly manifest: TestManifest;
}

export interface TestManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly config: TestDescriptor;
  readonly layers: readonly TestDescriptor[];
}

export function digestOf(content: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
}

export function createRegistryClient(base: string, user?: HttpRequest['user']): RegistryClient {
  const client: RegistryClient = {
    send: (method, path, options = {}) =>
      sendRequest(`${base}${path}`, { ...options, method, ...(user && { user }) }),
    begin: async (repository) => {
      const answer = await client.send('POST', `/v2/${repository}/blobs/uploads/`);
      assert.equal(answer.status, 202, answer.body.toString());
      return answer.headers.location ?? assert.fail('no Location');
    },
    pushBlob: async (repository, content) => {
      const location = await client.begin(repository);
      const digest = digestOf(content);
      const answer = await client.send('PUT', `${location}?digest=${digest}`, { body: content });
      assert.equal(answer.status, 201, answer.body.toString());
      return { mediaType: 'application/octet-stream', digest, size: Buffer.byteLength(content) };
    },
    pushManifest: async (repository, reference, manifest, mediaType = OCI_MANIFEST) => {
      const body = JSON.stringify(manifest);
      const path = `/v2/${repository}/manifests/${reference}`;
      const answer = await client.send('PUT', path, { body, headers: { 'Content-Type': mediaType } });
      assert.equal(answer.status, 201, answer.body.toString());
      return digestOf(body);
    },
    pushImage: async (repository, tag) => {
      const config = await client.pushBlob(
        repository,
        JSON.stringify({ os: 'linux', architecture: 'amd64', tag }),
      );
      const layer = await client.pushBlob(repository, `the layer of ${repository}:${tag}`);
      const manifest: TestManifest = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { ...config, mediaType: OCI_CONFIG },
        layers: [{ ...layer, mediaType: OCI_LAYER }],
      };
      const digest = await client.pushManifest(repository, tag, manifest);
      return { digest, manifest, bytes: Buffer.from(JSON.stringify(manifest)) };
    },
  };
  return client;
}
