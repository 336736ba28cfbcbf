import { text } from 'node:stream/consumers';
import type { SideFiles } from '../side-files.ts';
import type { ObjectKeys } from './object-keys.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Bytes of a part; S3 requires at least 5 MiB for all but the last one. */
const PART = 8 * 1024 * 1024;

/**
 * Side files as objects beside those of the blobs. Files larger than a part are multipart uploads, so memory stays
 * bounded.
 */
export class BucketSideFiles implements SideFiles {
  readonly #bucket: S3Bucket;
  readonly #keys: ObjectKeys;

  constructor(bucket: S3Bucket, keys: ObjectKeys) {
    this.#bucket = bucket;
    this.#keys = keys;
  }

  async list(folder: string): Promise<readonly string[]> {
    const prefix = this.#keys.side(folder, '');
    const names: string[] = [];
    for await (const { key } of this.#bucket.list(prefix)) names.push(key.slice(prefix.length));
    return names;
  }

  async read(folder: string, name: string): Promise<string> {
    return text((await this.#bucket.get(this.#keys.side(folder, name))).body);
  }

  async write(folder: string, name: string, pieces: AsyncIterable<string>): Promise<void> {
    const key = this.#keys.side(folder, name);
    let waiting: Buffer[] = [];
    let size = 0;
    let upload: string | undefined;
    const parts: { readonly number: number; readonly etag: string }[] = [];
    const take = () => {
      const part = Buffer.concat(waiting);
      waiting = [];
      size = 0;
      return part;
    };
    try {
      for await (const piece of pieces) {
        const bytes = Buffer.from(piece);
        waiting.push(bytes);
        size += bytes.length;
        if (size < PART) continue;
        upload ??= await this.#bucket.beginParts(key);
        const number = parts.length + 1;
        parts.push({ number, etag: await this.#bucket.putPart(key, upload, number, take()) });
      }
      if (upload === undefined) {
        await this.#bucket.put(key, take());
        return;
      }
      const number = parts.length + 1;
      if (size > 0) parts.push({ number, etag: await this.#bucket.putPart(key, upload, number, take()) });
      await this.#bucket.joinParts(key, upload, parts);
    } catch (error) {
      if (upload !== undefined) await this.#bucket.dropParts(key, upload).catch(() => {});
      throw error;
    }
  }

  async remove(folder: string, name: string): Promise<void> {
    await this.#bucket.delete([this.#keys.side(folder, name)]);
  }
}
