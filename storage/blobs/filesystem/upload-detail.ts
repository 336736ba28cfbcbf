import { readFileSync } from 'node:fs';
import type { DriverUpload } from '../blob-driver.ts';

/**
 * State of an upload beside its size: in which boot of the kernel it was written last, and how
 * many of its bytes are surely on the device. After a power cut the file may have its length and zeros for the rest.
 */
export class UploadDetail {
  readonly #boot: string | undefined;

  /** `boot` names the run of the kernel; undefined where several kernels write to one folder. */
  constructor(boot: string | undefined) {
    this.#boot = boot;
  }

  /** Bytes of the upload that are surely on the device. */
  durable({ detail }: DriverUpload): number {
    return Number(detail.split(' ')[1] ?? 0);
  }

  /** The upload with a new size; `durable` never becomes less. */
  grown(upload: DriverUpload, size: number, durable: number): DriverUpload {
    if (this.#boot === undefined) return { ...upload, size };
    return { ...upload, size, detail: `${this.#boot} ${Math.max(durable, this.durable(upload))}` };
  }

  /** The upload with as many bytes as are there for certain: all of them, unless the kernel has started since. */
  settled(upload: DriverUpload): DriverUpload {
    const [boot] = upload.detail.split(' ');
    if (this.#boot === undefined || !boot || boot === this.#boot) return upload;
    const durable = Math.min(upload.size, this.durable(upload));
    return { ...upload, size: durable, detail: `${this.#boot} ${durable}` };
  }
}

/** Linux's name of the time since it has started; undefined on other systems. */
export function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
