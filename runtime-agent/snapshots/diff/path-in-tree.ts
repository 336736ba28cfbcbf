/** A path of a tree, taken apart as `docker cp` means it. Each character is one byte. */
export interface PathInTree {
  /** Where the last name lies; '' is the root. */
  readonly parent: string;
  /** '' where the path ends with `/` or `/.`, or is the root: then it names what `parent` leads to, links followed. */
  readonly name: string;
  /** What the file is called in a tar. */
  readonly shown: string;
}

/** Takes a path apart, cleaned as Go's path.Clean does it. */
export function parsePathInTree(text: string): PathInTree {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  const names: string[] = [];
  for (const part of bytes.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  const last = names.at(-1);
  const whole = names.join('/');
  // What names the folder itself, as Go's path.Base sees it: slashes at the end do not count.
  if (/(?:^|\/)\.\/*$/.test(bytes)) return { parent: whole, name: '', shown: '.' };
  if (last === undefined) return { parent: '', name: '', shown: '/' };
  if (bytes.endsWith('/')) return { parent: whole, name: '', shown: last };
  return { parent: names.slice(0, -1).join('/'), name: last, shown: last };
}
