import { chmod, chown, copyFile, link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

/** cap_net_raw, permitted and effective (VFS_CAP_REVISION_2, little-endian). */
const CAP_NET_RAW = '0x0100000200200000000000000000000000000000';

/**
 * Files that unpackers get wrong: setuid, setgid and sticky bits, hard links, symlinks of every kind, xattrs,
 * a file capability, devices, a FIFO, high owners, long and odd names, a sparse file. Needs root.
 */
export async function makeFeatureTree(directory: string): Promise<void> {
  const at = (...path: string[]) => join(directory, ...path);
  for (const folder of ['modes', 'links', 'xattrs', 'devices', 'owners', 'names', 'sizes']) {
    await mkdir(at(folder), { recursive: true });
  }
  await makeModes(at);
  await makeLinks(at);
  await makeXattrs(at);
  await makeDevices(at);
  await makeNames(at);
  for (const [name, owner] of [
    ['user', 1000],
    ['nobody', 65534],
    // Beyond the seven octal digits of a tar header.
    ['high', 3_000_000],
  ] as const) {
    await writeFile(at('owners', name), name);
    await chown(at('owners', name), owner, owner);
  }
  await writeFile(at('sizes', 'empty'), '');
  await writeFile(at('sizes', 'block'), 'x'.repeat(512));
  await writeFile(at('sizes', 'sparse'), 'begin');
  await truncate(at('sizes', 'sparse'), 3_000_000);
}

type At = (...path: string[]) => string;

async function makeModes(at: At): Promise<void> {
  for (const [name, mode] of [
    ['setuid', 0o4755],
    ['setgid', 0o2755],
    ['private', 0o600],
    ['no-access', 0o000],
  ] as const) {
    await copyFile('/bin/busybox', at('modes', name));
    await chmod(at('modes', name), mode);
  }
  await mkdir(at('modes', 'sticky'));
  await chmod(at('modes', 'sticky'), 0o1777);
  await mkdir(at('modes', 'setgid-folder'));
  await chown(at('modes', 'setgid-folder'), 0, 50);
  await chmod(at('modes', 'setgid-folder'), 0o2775);
}

async function makeLinks(at: At): Promise<void> {
  await writeFile(at('links', 'first'), 'one file, three names\n');
  await link(at('links', 'first'), at('links', 'second'));
  await mkdir(at('links', 'deep'));
  await link(at('links', 'first'), at('links', 'deep', 'third'));
  await symlink('first', at('links', 'relative'));
  await symlink('/etc/passwd', at('links', 'absolute'));
  await symlink('../nowhere', at('links', 'dangling'));
  await symlink('loop', at('links', 'loop'));
  await symlink(`${'x'.repeat(120)}/${'y'.repeat(120)}`, at('links', 'long-target'));
}

async function makeXattrs(at: At): Promise<void> {
  const set = (path: string, name: string, value: string) =>
    runCommand('setfattr', ['-n', name, '-v', value, path]);
  await writeFile(at('xattrs', 'file'), 'x');
  await set(at('xattrs', 'file'), 'user.comment', 'grüße');
  await set(at('xattrs', 'file'), 'user.binary', '0x000a3d00ff');
  await set(at('xattrs', 'file'), 'user.long', 'v'.repeat(1000));
  await mkdir(at('xattrs', 'folder'));
  await set(at('xattrs', 'folder'), 'user.comment', 'on a folder');
  await copyFile('/bin/busybox', at('xattrs', 'ping'));
  await chmod(at('xattrs', 'ping'), 0o755);
  await set(at('xattrs', 'ping'), 'security.capability', CAP_NET_RAW);
}

async function makeDevices(at: At): Promise<void> {
  await runCommand('mknod', ['-m', '666', at('devices', 'null'), 'c', '1', '3']);
  await runCommand('mknod', ['-m', '600', at('devices', 'loop'), 'b', '7', '300']);
  await runCommand('mknod', ['-m', '640', at('devices', 'fifo'), 'p']);
}

async function makeNames(at: At): Promise<void> {
  const odd = [
    'with space',
    'grüße',
    '日本語',
    'new\nline',
    'back\\slash',
    '-rf',
    'trailing ',
    '"quoted"',
    '...',
  ];
  for (const name of odd) await writeFile(at('names', name), name);
  await writeFile(at('names', 'n'.repeat(150)), 'a name over 100 bytes');
  const folder = at('names', 'd'.repeat(120), 'e'.repeat(120), 'f'.repeat(120));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'file'), 'a path over 255 bytes');
}
