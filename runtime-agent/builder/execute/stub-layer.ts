import { createHash } from 'node:crypto';
import { encodeEntry, TAR_END_SIZE } from '../../../lib/tar/tar-writer.ts';
import type { Digest } from '../../../oci/digest.ts';

const FOLDERS = ['dev', 'etc', 'proc', 'sys'];
const FILES = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf'];

/**
 * The lowest layer of every step: it contains the mount points of runtimes, so that they create nothing in the step's
 * layer.
 */
export interface StubLayer {
  readonly diffId: Digest;
  readonly tar: Buffer;
}

export function stubLayer(): StubLayer {
  const entry = (path: string, kind: 'folder' | 'file', mode: number) =>
    encodeEntry({
      path,
      kind,
      mode,
      uid: 0,
      gid: 0,
      size: 0,
      mtime: 0,
      target: '',
      major: 0,
      minor: 0,
      xattrs: new Map(),
    });
  const tar = Buffer.concat([
    ...FOLDERS.map((path) => entry(path, 'folder', 0o755)),
    ...FILES.map((path) => entry(path, 'file', 0o644)),
    Buffer.alloc(TAR_END_SIZE),
  ]);
  return { diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}`, tar };
}
