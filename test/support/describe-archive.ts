import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { TarParser } from '../../lib/tar/tar-parser.ts';

/**
 * One line for each path of a tar that says its kind, mode, owner, link target, size and content, but no times. A hard link
 * is described as the file that it is another name of.
 */
export async function describeArchive(file: string): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>();
  let current: { readonly path: string; readonly line: string; readonly hash: Hash } | undefined;
  const end = () => {
    if (current !== undefined)
      lines.set(current.path, `${current.line} ${current.hash.digest('hex').slice(0, 16)}`);
    current = undefined;
  };
  const parser = new TarParser({
    entry(entry) {
      end();
      const path = plain(entry.path);
      const owner = `${entry.mode.toString(8)} ${entry.uid}:${entry.gid}`;
      if (path === '') return;
      if (entry.kind === 'hardlink') lines.set(path, lines.get(plain(entry.target)) ?? 'broken hard link');
      else if (entry.kind === 'symlink') lines.set(path, `symlink ${entry.target}`);
      else if (entry.kind === 'file')
        current = { path, line: `file ${owner} ${entry.size}`, hash: createHash('sha256') };
      else lines.set(path, `${entry.kind} ${owner} ${entry.major}/${entry.minor}`);
    },
    data: (chunk) => current?.hash.update(chunk),
  });
  for await (const chunk of createReadStream(file)) parser.push(chunk as Buffer);
  parser.finish();
  end();
  return new Map([...lines].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function plain(path: string): string {
  return path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .join('/');
}
