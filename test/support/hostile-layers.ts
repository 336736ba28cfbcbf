import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TarEntry } from './tar-writer.ts';

/** The attacks of hostile layers: each is one way out of the root in which the layer is unpacked or mounted. */
export const ESCAPES = [
  'parent-path',
  'absolute-path',
  'through-symlink',
  'through-relative-symlink',
  'hard-link-outside',
  'hard-link-parent-path',
  'hard-link-through-symlink',
  'whiteout-outside',
  'whiteout-through-symlink',
  'whiteout-of-parent',
  'disk-device',
] as const;

export type Escape = (typeof ESCAPES)[number];

/** Enough to reach the root from any folder that an unpacker uses. */
const UP = '../'.repeat(32);

/**
 * The entries of a layer that attacks `victim`, an absolute folder outside any root, which holds a file
 * `secret`. Where the attack works it makes `victim/escaped`, changes or deletes `victim/secret`, or gives
 * the container a way to read it.
 */
export async function escapeEntries(attack: Escape, victim: string): Promise<readonly TarEntry[]> {
  const relative = victim.slice(1);
  const file = (name: string): TarEntry => ({ name, type: 'file', content: 'escaped\n' });
  switch (attack) {
    case 'parent-path':
      return [file(`${UP}${relative}/escaped`)];
    case 'absolute-path':
      return [file(join(victim, 'escaped'))];
    case 'through-symlink':
      return [{ name: 'way-out', type: 'symlink', target: victim }, file('way-out/escaped')];
    case 'through-relative-symlink':
      return [{ name: 'way-out', type: 'symlink', target: `${UP}${relative}` }, file('way-out/escaped')];
    case 'hard-link-outside':
      return [{ name: 'stolen', type: 'hardlink', target: join(victim, 'secret') }, file('stolen')];
    case 'hard-link-parent-path':
      return [{ name: 'stolen', type: 'hardlink', target: `${UP}${relative}/secret` }, file('stolen')];
    case 'hard-link-through-symlink':
      return [
        { name: 'way-out', type: 'symlink', target: victim },
        { name: 'stolen', type: 'hardlink', target: 'way-out/secret' },
      ];
    case 'whiteout-outside':
      return [{ name: `${UP}${relative}/.wh.secret`, type: 'file' }];
    case 'whiteout-through-symlink':
      return [
        { name: 'way-out', type: 'symlink', target: victim },
        { name: 'way-out/.wh.secret', type: 'file' },
      ];
    case 'whiteout-of-parent':
      return [
        { name: '.wh...', type: 'file' },
        { name: 'etc/.wh..', type: 'file' },
      ];
    case 'disk-device': {
      const { major, minor } = deviceNumbers((await stat(victim)).dev);
      return [{ name: 'disk', type: 'block', mode: 0o666, major, minor }];
    }
  }
}

/** makedev(3), turned round, for numbers that fit the kernel's 32 bits. */
function deviceNumbers(device: number): { readonly major: number; readonly minor: number } {
  return { major: (device >> 8) & 0xfff, minor: (device & 0xff) | ((device >> 12) & 0xfff00) };
}
