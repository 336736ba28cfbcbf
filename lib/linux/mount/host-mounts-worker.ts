import { openSync, readFileSync } from 'node:fs';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { parentPort } from 'node:worker_threads';
import koffi from 'koffi';
import { O_PATH } from '../files/in-root.ts';
import type { HostMountsReport, HostMountsRequest } from './host-mounts.ts';

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
/** The same number on every machine. */
const SYS_OPEN_TREE = 428;
const AT_FDCWD = -100;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;

const MS_REC = 16384;
const MS_PRIVATE = 1 << 18;
/** A new file system is mounted here, in a copy of the namespace; every host has this folder. */
const PLACE = '/proc';

const library = koffi.load(null);
const unshare = library.func('int unshare(int flags)');
const setns = library.func('int setns(int fd, int type)');
const mount = library.func('int mount(str source, str target, str type, ulong flags, str data)');
const openTree = library.func('syscall', 'long', ['long', 'int', 'str', 'uint']);

let home: number | undefined;

parentPort?.on('message', (request: HostMountsRequest) => parentPort?.postMessage(answer(request)));

function answer(request: HostMountsRequest): HostMountsReport {
  const { id } = request;
  try {
    home ??= enter(request.namespace);
    switch (request.kind) {
      case 'open':
        return { id, fd: openSync(request.path, O_PATH) };
      case 'clone':
        return { id, fd: clone(request.path, request.recursive, home) };
      case 'mount':
        return { id, fd: mountNew(request, home) };
      case 'mounts':
        return { id, text: readFileSync('/proc/thread-self/mountinfo', 'utf8') };
    }
  } catch (error) {
    const { message, code, errno } = error as NodeJS.ErrnoException;
    const reason = { ...(code !== undefined && { code }), ...(errno !== undefined && { errno }) };
    return { id, failure: { message, ...reason } };
  }
}

/** Moves only this thread, and returns its new namespace. */
function enter(namespace: number | undefined): number {
  check('the thread of host mounts cannot get its own root', unshare(CLONE_FS));
  const target = namespace ?? openSync('/proc/thread-self/ns/mnt', 'r');
  check('the mount namespace of the host cannot be entered', setns(target, CLONE_NEWNS));
  return target;
}

/**
 * Clones the mounts from a copy of the namespace. The copy has no files that pin mount namespaces, and the kernel
 * refuses to attach those inside a younger namespace. When the copy ends, nothing is unmounted elsewhere.
 */
function clone(path: string, recursive: boolean, host: number): number {
  return inCopy(host, () => {
    const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
    return check('open_tree', openTree(SYS_OPEN_TREE, AT_FDCWD, path, flags));
  });
}

/** Mounts a file system that the host does not see, and returns it detached. */
function mountNew(
  { source, type, flags, data }: Extract<HostMountsRequest, { kind: 'mount' }>,
  host: number,
): number {
  return inCopy(host, () => {
    check('the mounts of the host stay shared', mount('none', '/', null, MS_REC | MS_PRIVATE, null));
    check('mount', mount(source, PLACE, type, flags, data));
    const cloned = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    return check('open_tree', openTree(SYS_OPEN_TREE, AT_FDCWD, PLACE, cloned));
  });
}

function inCopy(host: number, work: () => number): number {
  check('the mounts of the host cannot be copied', unshare(CLONE_NEWNS));
  try {
    return work();
  } finally {
    // A thread in the wrong namespace must not serve requests.
    if (setns(host, CLONE_NEWNS) !== 0) process.exit(1);
  }
}

function check(what: string, result: number): number {
  if (result >= 0) return result;
  const errno = koffi.errno();
  throw Object.assign(new Error(`${what}: ${getSystemErrorMessage(-errno)}`), {
    code: getSystemErrorName(-errno),
    errno,
  });
}
