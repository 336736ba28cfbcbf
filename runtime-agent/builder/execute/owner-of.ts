import { MAX_ACCOUNTS_SIZE, resolveUser } from '../../containers/plan/user.ts';
import { isEngineError } from '../../errors.ts';
import type { FileTree } from '../context/file-tree.ts';
import { resolveInTree } from '../context/tree-paths.ts';

/**
 * Resolves `user` or `user:group` in an image: a number alone is also the group; a name implies its own group
 * (reference, "COPY --chown"). Throws EngineError for names that the image lacks.
 */
export async function ownerOf(
  chown: string,
  root: FileTree | undefined,
): Promise<{ readonly uid: number; readonly gid: number }> {
  if (/^\d+$/.test(chown)) return { uid: Number(chown), gid: Number(chown) };
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(chown) ?? [];
  if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  const { uid: owner, gid: group } = resolveUser(chown, [], {
    passwd: await textIn(root, 'etc/passwd'),
    group: await textIn(root, 'etc/group'),
  });
  return { uid: owner, gid: group };
}

/**
 * Like ownerOf; a user that the image lacks becomes root, as in BuildKit: USER may name a user that a volume provides.
 */
export async function ownerOrRoot(
  user: string,
  root: FileTree | undefined,
): Promise<{ readonly uid: number; readonly gid: number }> {
  try {
    return await ownerOf(user, root);
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return { uid: 0, gid: 0 };
  }
}

async function textIn(root: FileTree | undefined, path: string): Promise<string> {
  if (root === undefined) return '';
  const { entry } = (await resolveInTree(root, path)) ?? {};
  if (entry?.kind !== 'file' || entry.size > MAX_ACCOUNTS_SIZE) return '';
  const chunks: Uint8Array[] = [];
  for await (const chunk of root.read(entry)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
