import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from './registry-client.ts';

interface Answer {
  readonly status: number;
  readonly location: string;
  readonly body: Buffer;
}

export interface PusherOptions {
  readonly url: string;
  readonly repository: string;
  /** Another repository, from which blobs are mounted now and then. */
  readonly neighbour: string;
  /** How many contents and tags there are: the fewer, the more pushers and sweeps want the same ones at once. */
  readonly contents: number;
  readonly tags: number;
}

/** A server said 502 or 503: whether the request was done is as uncertain as when the connection breaks. */
export class UnavailableError extends Error {}

/** Another program deleted a part of a push before it ended, as it may without a grace period. */
class Repeat extends Error {}

const ATTEMPTS = 50;

/**
 * Pushes small images, indexes and artifacts under tags of a repository that nobody else writes to, deletes
 * some, and knows at any moment what each tag may lead to: what was answered, or one of two where the connection
 * broke before the answer, or that was 502 or 503.
 */
export class RacingPusher {
  readonly #options: PusherOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #states = new Map<string, ReadonlySet<string>>();
  /** Indexes of whose members it is not known whether a sweep was quicker than the index. */
  readonly #unsure = new Set<string>();
  /** Manifests that were answered with 201. */
  pushes = 0;
  /** Pushes that were begun anew. */
  repeats = 0;

  constructor(options: PusherOptions) {
    this.#options = options;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** One push or, now and then, a delete. Rejects when the connection breaks, and when an answer is wrong. */
  async act(): Promise<void> {
    const tag = `tag-${this.#random(this.#options.tags)}`;
    if (this.#random(12) === 0) await this.#delete(tag);
    else await this.#push(tag, this.#random(this.#options.contents));
  }

  /** Deletes all tags. */
  async deleteAll(): Promise<void> {
    for (const tag of this.#states.keys()) await this.#delete(tag);
  }

  /** Pulls everything: each tag leads to what it was last answered to lead to, with all that this needs. */
  async verify(): Promise<void> {
    for (const [tag, allowed] of this.#states) {
      const answer = await this.#send('GET', `manifests/${tag}`, undefined, {
        Accept: `${OCI_MANIFEST}, ${OCI_INDEX}`,
      });
      const found = answer.status === 404 ? '' : digestOf(answer.body);
      assert.ok(allowed.has(found), `${this.#options.repository}:${tag} leads to ${found || answer.status}`);
      this.#states.set(tag, new Set([found]));
      if (answer.status === 200 && !this.#unsure.has(found)) {
        await this.#verifyContent(JSON.parse(answer.body.toString()));
      }
    }
  }

  async #verifyContent(manifest: TestManifest): Promise<void> {
    for (const { digest } of manifest.manifests ?? []) {
      const member = await this.#send('GET', `manifests/${digest}`);
      assert.equal(member.status, 200, `the member ${digest} of an index is there`);
      assert.equal(digestOf(member.body), digest);
      await this.#verifyContent(JSON.parse(member.body.toString()));
    }
    const blobs = [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])];
    for (const { digest } of blobs) {
      const blob = await this.#send('GET', `blobs/${digest}`);
      assert.equal(blob.status, 200, `${digest}, which a tagged manifest needs, is there`);
      assert.equal(digestOf(blob.body), digest);
    }
  }

  async #delete(tag: string): Promise<void> {
    const before = this.#states.get(tag) ?? new Set(['']);
    this.#states.set(tag, new Set([...before, '']));
    const { status } = await this.#send('DELETE', `manifests/${tag}`);
    assert.ok(status === 202 || (status === 404 && before.has('')), `DELETE of ${tag}: ${status}`);
    this.#states.set(tag, new Set(['']));
  }

  async #push(tag: string, content: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#pushImage(tag, content);
        return;
      } catch (error) {
        if (!(error instanceof Repeat)) throw error;
        this.repeats += 1;
        assert.ok(attempt < ATTEMPTS, `a push did not succeed in ${ATTEMPTS} attempts`);
      }
    }
  }

  async #pushImage(tag: string, content: number): Promise<void> {
    const config = await this.#pushBlob(`config ${content}`, OCI_CONFIG);
    const layers =
      this.#random(3) === 0
        ? [await this.#pushBlob(`layer ${content % Math.ceil(this.#options.contents / 4)}`, OCI_LAYER)]
        : [];
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
    if (this.#random(10) > 0) {
      await this.#putManifest(manifest, OCI_MANIFEST, tag);
      return;
    }
    const member = await this.#putManifest(manifest, OCI_MANIFEST);
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member] };
    await this.#putManifest(index, OCI_INDEX, tag, [member.digest]);
  }

  /** Without a tag it is pushed by its digest. */
  async #putManifest(
    manifest: object,
    mediaType: string,
    tag?: string,
    members: readonly string[] = [],
  ): Promise<{ readonly mediaType: string; readonly digest: string; readonly size: number }> {
    const body = JSON.stringify(manifest);
    const digest = digestOf(body);
    const before = tag === undefined ? undefined : (this.#states.get(tag) ?? new Set(['']));
    if (tag !== undefined && before !== undefined) this.#states.set(tag, new Set([...before, digest]));
    if (members.length > 0) this.#unsure.add(digest);
    const answer = await this.#send('PUT', `manifests/${tag ?? digest}`, body, { 'Content-Type': mediaType });
    if (answer.status !== 201) {
      if (tag !== undefined && before !== undefined) this.#states.set(tag, before);
      assert.match(`${answer.status} ${answer.body}`, /^(?:400|404) .*MANIFEST_BLOB_UNKNOWN/);
      throw new Repeat();
    }
    if (tag !== undefined) this.#states.set(tag, new Set([digest]));
    this.pushes += 1;
    for (const member of members) {
      // An index may be sparse: whether its members were swept before it came, only a look tells.
      if ((await this.#send('HEAD', `manifests/${member}`)).status !== 200) throw new Repeat();
    }
    this.#unsure.delete(digest);
    return { mediaType, digest, size: Buffer.byteLength(body) };
  }

  async #pushBlob(text: string, mediaType: string) {
    const digest = digestOf(text);
    const descriptor = { mediaType, digest, size: Buffer.byteLength(text) };
    const way = this.#random(8);
    if (way === 0 && (await this.#send('HEAD', `blobs/${digest}`)).status === 200) return descriptor;
    if (way === 1) {
      const from = encodeURIComponent(this.#options.neighbour);
      const mounted = await this.#send('POST', `blobs/uploads/?mount=${digest}&from=${from}`);
      if (mounted.status === 201) return descriptor;
      assert.equal(mounted.status, 202);
      await this.#finishUpload(mounted.location, digest, text);
    } else if (way === 2) {
      const begun = await this.#send('POST', 'blobs/uploads/');
      assert.equal(begun.status, 202);
      await this.#finishUpload(begun.location, digest, text);
    } else {
      const put = await this.#send('POST', `blobs/uploads/?digest=${digest}`, text);
      assert.equal(put.status, 201, put.body.toString());
    }
    return descriptor;
  }

  async #finishUpload(location: string, digest: string, text: string): Promise<void> {
    const put = await this.#request('PUT', `${location}?digest=${digest}`, text);
    assert.equal(put.status, 201, put.body.toString());
  }

  #random(below: number): number {
    return Math.floor(Math.random() * below);
  }

  #send(method: string, path: string, body?: string, headers?: Readonly<Record<string, string>>) {
    return this.#request(method, `/v2/${this.#options.repository}/${path}`, body, headers);
  }

  #request(
    method: string,
    path: string,
    body: string | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const { hostname, port } = new URL(this.#options.url);
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        hostname,
        port,
        method,
        path,
        agent: this.#agent,
        headers,
        timeout: 120_000,
      });
      request.once('timeout', () => request.destroy(new Error(`no answer to ${method} ${path}`)));
      request.once('error', reject);
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const { statusCode: status = 0, headers } = response;
          const body = Buffer.concat(chunks);
          if (status === 502 || status === 503) {
            reject(new UnavailableError(`${method} ${path}: ${status} ${body}`));
          } else resolve({ status, location: headers.location ?? '', body });
        });
      });
      request.end(body);
    });
  }
}

interface TestManifest {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
}
