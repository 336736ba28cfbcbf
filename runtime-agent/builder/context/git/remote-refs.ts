/** What a ref of a repository stands for. */
export interface RemoteRef {
  /** `refs/heads/main`; undefined where it is a commit that no ref names. */
  readonly name: string | undefined;
  /** The commit, or a tag that stands for one. */
  readonly object: string;
}

/**
 * The ref that is meant among those that `git ls-remote` lists: of a branch and a tag of one name the branch, as git itself checks out. Without
 * `ref` what the repository has checked out.
 */
export function meantRef(listed: string, ref: string | undefined): RemoteRef | undefined {
  const objects = new Map<string, string>();
  let head: string | undefined;
  for (const line of listed.split('\n')) {
    const [object = '', name = ''] = line.split('\t');
    const [, symbolic] = /^ref: (\S+)$/.exec(object) ?? [];
    if (symbolic !== undefined && name === 'HEAD') head = symbolic;
    else if (/^[0-9a-f]{40,64}$/.test(object)) objects.set(name, object);
  }
  if (ref === undefined || ref === 'HEAD') {
    const object = objects.get('HEAD');
    return object === undefined ? undefined : { name: head, object };
  }
  const name = [`refs/${ref.replace(/^refs\//, '')}`, `refs/heads/${ref}`, `refs/tags/${ref}`].find((each) =>
    objects.has(each),
  );
  const object = name === undefined ? undefined : objects.get(name);
  return name === undefined || object === undefined ? undefined : { name, object };
}
