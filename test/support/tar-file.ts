import { Readable } from 'node:stream';
import { TAR_END, tarHeader, tarPadding } from './tar-writer.ts';

/** A tar of one file whose content is a stream of `size` bytes, in bounded memory. */
export function tarFile(name: string, size: number, content: Readable): Readable {
  async function* generate(): AsyncGenerator<Buffer> {
    yield tarHeader({ name, type: 'file' }, size);
    yield* content;
    yield tarPadding(size);
    yield TAR_END;
  }
  return Readable.from(generate(), { objectMode: false });
}
