import { createHash } from 'node:crypto';
import { TarFormatError } from '../../lib/tar/tar-header.ts';
import { TarParser } from '../../lib/tar/tar-parser.ts';
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import { LayerShape } from './layer-shape.ts';

/** Findings about a layer's tar. */
export interface TarFacts {
  /** Bytes of the files and the targets of symlinks. */
  readonly contentSize: number;
}

/** The findings about a stream. */
export interface TarFindings {
  readonly diffId: Digest;
  /** In bytes. */
  readonly size: number;
  /** Facts about the tar, or why it is unusable. */
  readonly tar: TarFacts | { readonly malformed: string };
}

/**
 * Digests a stream and reads it as a tar, without judging it: its result is plain data, so another thread can do it.
 */
export class TarInspection {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash;
  readonly #shape = new LayerShape();
  readonly #parser = new TarParser(this.#shape);
  #size = 0;
  #malformed: string | undefined;

  constructor(algorithm: DigestAlgorithm) {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Takes the next bytes, whose memory the caller may reuse afterwards. */
  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    if (this.#malformed === undefined) this.#parse(() => this.#parser.push(chunk));
  }

  /** Must be called once, after the last byte. */
  findings(): TarFindings {
    const end = this.#malformed === undefined ? this.#parse(() => this.#parser.finish()) : undefined;
    return {
      diffId: `${this.#algorithm}:${this.#hash.digest('hex')}`,
      size: this.#size,
      tar:
        end === undefined ? { malformed: this.#malformed ?? '' } : { contentSize: this.#shape.contentSize },
    };
  }

  #parse<T>(parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof TarFormatError)) throw error;
      this.#malformed = error.message;
      return undefined;
    }
  }
}
