import { describeBlobDriver } from '../../../contract/blob-driver.ts';
import { MemoryBlobDriver, MemoryDisk } from '../../../support/memory-blob-driver.ts';

describeBlobDriver('the memory driver of tests', {
  async open() {
    const disk = new MemoryDisk();
    return {
      driver: new MemoryBlobDriver(disk),
      reopen: async () => new MemoryBlobDriver(disk),
      close: async () => {},
    };
  },
});
