import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './run-command.ts';

/** Unpacks layers (tars, lowest first) by umoci, and returns the folder of the tree; undefined if umoci refuses one. `folder` is empty. */
export async function unpackByUmoci(folder: string, layers: readonly Buffer[]): Promise<string | undefined> {
  const umoci = (...args: readonly string[]) => runCommand('umoci', args, { cwd: folder });
  await umoci('init', '--layout', 'image');
  await umoci('new', '--image', 'image:1');
  for (const tar of layers) {
    await writeFile(join(folder, 'layer.tar'), tar);
    await umoci('raw', 'add-layer', '--image', 'image:1', 'layer.tar');
  }
  try {
    await umoci('raw', 'unpack', '--image', 'image:1', 'tree');
  } catch {
    return undefined;
  }
  return join(folder, 'tree');
}
