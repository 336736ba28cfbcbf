import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFilesystemDriver } from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { describeBlobDriver } from '../../../../contract/blob-driver.ts';

describeBlobDriver('the filesystem driver', {
  async open() {
    const root = await mkdtemp(join(tmpdir(), 'berth-blobs-'));
    return {
      driver: await openFilesystemDriver(root),
      reopen: () => openFilesystemDriver(root),
      close: () => rm(root, { recursive: true, force: true }),
    };
  },
});
