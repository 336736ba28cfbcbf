/**
 * Appends and commits random blobs in the folder that the first argument names, until it is killed. After
 * each commit it prints the digest: from then on the blob must be there.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { BlobStore } from '../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../storage/blobs/filesystem/filesystem-driver.ts';

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error('usage: append-and-commit FOLDER');
const store = new BlobStore(await openFilesystemDriver(root));

async function writeForEver(): Promise<never> {
  for (;;) {
    const hash = createHash('sha256');
    const size = randomInt(3) === 0 ? randomInt(4_000_000) : randomInt(4_000);
    let upload = await store.begin();
    for (let left = size; left > 0; ) {
      const bytes = randomBytes(Math.min(left, randomInt(1, 300_000)));
      hash.update(bytes);
      left -= bytes.byteLength;
      upload = await store.append(upload, one(bytes));
    }
    const blob = await store.commit(upload, `sha256:${hash.digest('hex')}`);
    process.stdout.write(`${blob.digest}\n`);
  }
}

async function* one(bytes: Uint8Array) {
  yield bytes;
}

await Promise.all([writeForEver(), writeForEver(), writeForEver()]);
