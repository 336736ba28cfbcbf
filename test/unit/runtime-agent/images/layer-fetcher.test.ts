import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Digest } from '../../../../oci/digest.ts';
import { LayerFetcher } from '../../../../runtime-agent/images/layer-fetcher.ts';
import { MAX_LAYER_DOWNLOADS, MAX_LAYER_EXTRACTIONS } from '../../../../runtime-agent/images/limits.ts';
import type { PlannedLayer } from '../../../../runtime-agent/images/resolve-image.ts';

describe('LayerFetcher', () => {
  it('begins another download when a layer has its last byte, and no more than so many extractions', async (t) => {
    const host = new StubHost();
    const pulling = host.pull(MAX_LAYER_EXTRACTIONS + 2, t.signal);
    await settled();
    assert.equal(host.extractions.length, MAX_LAYER_EXTRACTIONS, 'more than are downloaded at once');
    assert.equal(host.mostDownloads, MAX_LAYER_DOWNLOADS);
    host.extractions[0]?.resolve();
    await settled();
    assert.equal(host.extractions.length, MAX_LAYER_EXTRACTIONS + 1);
    for (let at = 1; at < MAX_LAYER_EXTRACTIONS + 2; at += 1) {
      host.extractions[at]?.resolve();
      await settled();
    }
    await pulling;
  });

  it('gives the places of a pull back that is cancelled or fails', async (t) => {
    const host = new StubHost();
    const cancelled = new AbortController();
    const first = host.pull(MAX_LAYER_EXTRACTIONS + 2, cancelled.signal);
    await settled();
    cancelled.abort(new Error('nobody waits'));
    await assert.rejects(first, { message: 'nobody waits' });
    const begun = host.extractions.length;
    const failing = host.pull(2, t.signal);
    await settled();
    host.extractions.at(-1)?.reject(new Error('the disk is broken'));
    await assert.rejects(failing, { message: 'the disk is broken' });
    const last = host.pull(MAX_LAYER_EXTRACTIONS, t.signal);
    await settled();
    assert.equal(host.extractions.length, begun + 2 + MAX_LAYER_EXTRACTIONS);
    for (const extraction of host.extractions) extraction.resolve();
    await last;
  });

  it('keeps no compressed layers where a pull discards them', async (t) => {
    const host = new StubHost();
    for (const discardsBlobs of [true, false]) {
      const pulling = host.pull(1, t.signal, { discardsBlobs });
      await settled();
      host.extractions.at(-1)?.resolve();
      await pulling;
      assert.equal(host.askedToKeep, discardsBlobs ? 0 : 1);
    }
  });
});

/** Stores no layer before its extraction is resolved, and counts downloads. */
class StubHost {
  readonly extractions: PromiseWithResolvers<void>[] = [];
  mostDownloads = 0;
  askedToKeep = 0;
  #downloads = 0;
  #layers = 0;
  readonly #fetcher = new LayerFetcher({
    layerStore: {
      has: async () => false,
      add: async (_, tar, signal) => {
        for await (const _ of tar);
        const extraction = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => extraction.reject(signal.reason), { once: true });
        this.extractions.push(extraction);
        await extraction.promise;
      },
    },
    leases: { take: async () => false, release: () => undefined },
    layerLimit: 1000,
    layerBlobs: {
      keeping: async () => {
        this.askedToKeep += 1;
        return undefined;
      },
      record: async () => undefined,
    },
    decompressors: {},
  });

  async pull(layers: number, signal: AbortSignal, options: { discardsBlobs?: boolean } = {}): Promise<void> {
    const planned = Array.from({ length: layers }, () => this.#planned());
    const streamBlob = ({ digest }: PlannedLayer['blob']) => this.#download(digest);
    await this.#fetcher.withLayers(
      planned,
      { origin: 'registry.example', streamBlob },
      { progress: () => undefined, signal, ...options },
      async () => undefined,
    );
  }

  #planned(): PlannedLayer {
    this.#layers += 1;
    const content = `layer ${this.#layers}`;
    const digest: Digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    this.#contents.set(digest, Buffer.from(content));
    const mediaType = 'application/vnd.oci.image.layer.v1.tar';
    return { diffId: digest, blob: { digest, mediaType, size: content.length } };
  }

  readonly #contents = new Map<Digest, Buffer>();

  async *#download(digest: Digest): AsyncGenerator<Uint8Array> {
    this.#downloads += 1;
    this.mostDownloads = Math.max(this.mostDownloads, this.#downloads);
    try {
      await setImmediate();
      yield this.#contents.get(digest) ?? assert.fail();
    } finally {
      this.#downloads -= 1;
    }
  }
}

/** Resolves when all that needs no answer of the test has been done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await setImmediate();
}
