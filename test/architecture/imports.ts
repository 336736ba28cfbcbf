import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** One `import` or `export … from` of a source file. Paths are relative to the project's root. */
export interface Import {
  readonly file: string;
  /** A file of the project, or a package such as `koa` or `node:fs`. */
  readonly target: string;
  /** When the target is loaded: with the file, once it is asked for by `import()`, or never, as only its types are used. */
  readonly loaded: 'at once' | 'later' | 'never';
}

const STATEMENT =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm;

/** The imports that the text of `file` makes, types included: an arrow is an arrow. */
export function importsOf(file: string, text: string): readonly Import[] {
  return [...text.matchAll(STATEMENT)].flatMap((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? '';
    // A script that a test writes: its imports are that script's.
    if (specifier.includes('${')) return [];
    const local = specifier.startsWith('.');
    const loaded =
      match[3] !== undefined ? 'later' : /^\s*(?:import|export) type\b/.test(match[0]) ? 'never' : 'at once';
    return { file, target: local ? posix.join(posix.dirname(file), specifier) : specifier, loaded };
  });
}

/** What is loaded at once with `file`: files of the project and packages. */
export function loadedWith(file: string, imports: readonly Import[]): ReadonlySet<string> {
  const found = new Set([file]);
  for (const one of found) {
    for (const edge of imports) if (edge.file === one && edge.loaded === 'at once') found.add(edge.target);
  }
  return found;
}

/** Every import of every TypeScript source below `root`. */
export function readImports(root: string): readonly Import[] {
  return globSync('{lib,oci,server,storage,auth,runtime-agent,deploy,test}/**/*.ts', { cwd: root }).flatMap(
    (file) => importsOf(file, readFileSync(join(root, file), 'utf8')),
  );
}
