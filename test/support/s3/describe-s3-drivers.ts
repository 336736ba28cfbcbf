import { randomUUID } from 'node:crypto';
import { openUncheckedS3Driver } from '../../../storage/blobs/s3/open-s3-driver.ts';
import type { S3Driver } from '../../../storage/blobs/s3/s3-driver.ts';
import { describeBlobDriver } from '../../contract/blob-driver.ts';
import { describeSideFiles } from '../../contract/side-files.ts';
import { defer } from '../cleanup.ts';
import { makeBucket, type S3Server, settingsFor, useCredentials } from './s3-server.ts';

const BUCKET = 'contract';

/** The contract on a server, with parts of each of these sizes in bytes. */
export async function describeS3Drivers(server: S3Server, partSizes: readonly number[]): Promise<void> {
  useCredentials(server);
  await makeBucket(server, BUCKET);
  describeSideFiles(`S3 on ${server.name}`, async (t) => {
    const driver = openUncheckedS3Driver(settingsFor(server.endpoint, BUCKET, randomUUID(), 8 * 1024 * 1024));
    defer(t, () => driver.close());
    return driver.sideFiles;
  });
  for (const partSize of partSizes) {
    describeBlobDriver(`S3 on ${server.name}, in parts of ${partSize / 1024} KiB,`, {
      open: async () => {
        const settings = settingsFor(server.endpoint, BUCKET, randomUUID(), partSize);
        const opened: S3Driver[] = [];
        const open = () => {
          const driver = openUncheckedS3Driver(settings);
          opened.push(driver);
          return driver;
        };
        return {
          driver: open(),
          reopen: async () => open(),
          close: async () => {
            for (const driver of opened) await driver.close();
          },
        };
      },
    });
  }
}
