import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBusyboxTree } from './busybox-tree.ts';
import { makeFeatureTree } from './feature-tree.ts';
import { addLayer } from './layer.ts';
import { tarTree } from './tar-tree.ts';
import { addImage, type TestImage } from './test-image.ts';

const FOLDERS = 100;
const FILES_PER_FOLDER = 100;

/**
 * Adds an image of four layers. The first has 10,000 files under /many, and under /lower files that later layers delete or replace.
 * The second is makeFeatureTree's. The third deletes by whiteouts and an opaque folder, and changes the kinds of
 * files. The fourth brings back some of what the third deleted.
 */
export async function addTreeImage(layout: string, workDir: string): Promise<TestImage> {
  const base = join(workDir, 'base');
  await makeBusyboxTree(base);
  await makeManyFiles(join(base, 'many'));
  await makeLowerFiles(join(base, 'lower'));
  const features = join(workDir, 'features');
  await makeFeatureTree(features);
  const changes = join(workDir, 'changes');
  await makeChanges(join(changes, 'lower'));
  const returns = join(workDir, 'returns');
  await makeReturns(join(returns, 'lower'));
  return addImage(layout, 'tree', [
    await addLayer(layout, tarTree(base, { format: 'gnu', ownedByRoot: true })),
    await addLayer(layout, tarTree(features)),
    await addLayer(layout, tarTree(changes, { format: 'gnu', ownedByRoot: true })),
    await addLayer(layout, tarTree(returns, { ownedByRoot: true })),
  ]);
}

async function makeManyFiles(directory: string): Promise<void> {
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const path = join(directory, `folder-${folder}`);
    await mkdir(path, { recursive: true });
    const files = Array.from({ length: FILES_PER_FOLDER }, (_, file) => `file-${file}`);
    await Promise.all(files.map((file) => writeFile(join(path, file), `${folder}/${file}\n`)));
  }
}

async function makeLowerFiles(directory: string): Promise<void> {
  await writeTree(directory, {
    'deleted-file': 'gone',
    'deleted-folder/a/b/file': 'gone',
    'emptied/old': 'hidden by the opaque mark',
    'emptied/deep/old': 'hidden by the opaque mark',
    'replaced-file': 'old',
    'file-to-folder': 'a file at first',
    'folder-to-file/inside': 'gone',
    'linked-folder/inside': 'gone',
    'kept/file': 'kept',
    'kept/deleted': 'gone',
    'mode-changed/file': 'kept',
    'returns/old': 'gone for good',
    'twice-deleted': 'gone',
  });
  await symlink('kept', join(directory, 'symlink-to-folder'));
}

async function makeChanges(directory: string): Promise<void> {
  await writeTree(directory, {
    '.wh.deleted-file': '',
    '.wh.deleted-folder': '',
    '.wh.never-was-there': '',
    '.wh.twice-deleted': '',
    'emptied/.wh..wh..opq': '',
    'emptied/new': 'new',
    'replaced-file': 'new and longer than before',
    'file-to-folder/inside': 'a folder now',
    'folder-to-file': 'a file now',
    'symlink-to-folder/inside': 'a folder of its own now',
    'kept/.wh.deleted': '',
    '.wh.returns': '',
    'mode-changed/.keep': '',
  });
  await symlink('kept', join(directory, 'linked-folder'));
  await chmod(join(directory, 'mode-changed'), 0o700);
}

async function makeReturns(directory: string): Promise<void> {
  await writeTree(directory, {
    'returns/new': 'the folder is back, without what it had',
    'deleted-file': 'back with other content',
    '.wh.twice-deleted': '',
  });
}

async function writeTree(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
  }
}
