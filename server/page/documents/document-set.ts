import { readdir, readFile } from 'node:fs/promises';
import { join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RenderedDocument, renderDocument } from '../markdown.ts';

/** The bundler copies them by these lines (deploy/package/bundle.ts). */
const FOLDER = fileURLToPath(new URL('../../../docs/', import.meta.url));
const OTHERS = {
  'deploy/README.md': fileURLToPath(new URL('../../../deploy/README.md', import.meta.url)),
  'SECURITY.md': fileURLToPath(new URL('../../../SECURITY.md', import.meta.url)),
};

/** Paths of documents that are not in docs/. */
const PATHS: Readonly<Record<string, string>> = {
  'docs/README.md': '',
  'deploy/README.md': 'deploy',
  'SECURITY.md': 'security',
};

/** The documents of this version. */
export interface DocumentSet {
  /** By path below `/docs/`, without `.md`; '' for the index. */
  readonly documents: ReadonlyMap<string, RenderedDocument>;
  /** PNG files by path below `/docs/`. */
  readonly pictures: ReadonlyMap<string, Buffer>;
}

/**
 * Reads and renders all documents; `prefix` is that of the server's paths. Links to files that are not documents become
 * text. A document that is not installed is left out.
 */
export async function openDocuments(prefix: string): Promise<DocumentSet> {
  const sources = await readSources();
  const pathOf = new Map<string, string>();
  const pictures = new Map<string, Buffer>();
  for (const [name, content] of sources) {
    pathOf.set(name, PATHS[name] ?? name.replace(/^docs\//, '').replace(/\.md$/, ''));
    if (name.endsWith('.png')) pictures.set(pathOf.get(name) ?? '', content);
  }
  const documents = new Map<string, RenderedDocument>();
  for (const [name, path] of pathOf) {
    if (!name.endsWith('.md')) continue;
    const resolve = (address: string) => {
      if (/^https?:\/\//i.test(address)) return address;
      const [file = '', fragment] = address.split('#');
      const target = file === '' ? path : pathOf.get(posix.join(posix.dirname(name), file));
      if (target === undefined) return undefined;
      return `${prefix}/docs/${target}${fragment === undefined ? '' : `#${fragment}`}`;
    };
    const text = sources.get(name)?.toString() ?? '';
    documents.set(path, await renderDocument(text, resolve));
  }
  return { documents, pictures };
}

/** The files by name, such as `docs/how-to/access.md`. */
async function readSources(): Promise<ReadonlyMap<string, Buffer>> {
  const entries = await readdir(FOLDER, { recursive: true, withFileTypes: true }).catch(unlessAbsent([]));
  const files = entries
    .filter((entry) => entry.isFile() && /\.(?:md|png)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => [`docs/${relative(FOLDER, file)}`, file] as const);
  const sources = new Map<string, Buffer>();
  for (const [name, file] of [...files.sort(), ...Object.entries(OTHERS)]) {
    const content = await readFile(file).catch(unlessAbsent(undefined));
    if (content !== undefined) sources.set(name, content);
  }
  return sources;
}

function unlessAbsent<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
