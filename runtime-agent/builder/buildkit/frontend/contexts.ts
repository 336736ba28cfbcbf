import { EngineError } from '../../../errors.ts';
import { type GitUrl, isGitSource, isGitUrl, parseGitUrl } from '../../context/git/git-url.ts';
import { type FrontendOptions, optionsBelow } from './options.ts';

/** Where the files of a context are. */
export type MainContext =
  | { readonly kind: 'folder'; readonly name: string }
  /** A tar that the client has read from its standard input, at a path of its upload service. */
  | { readonly kind: 'upload'; readonly path: string }
  /** A repository that the agent fetches. */
  | { readonly kind: 'git'; readonly url: GitUrl };

/**
 * Location of a further context: a folder of the client, an image by reference, or a repository that the agent fetches.
 */
export type NamedContext =
  | { readonly kind: 'folder'; readonly name: string }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'git'; readonly url: GitUrl };

const UPLOAD = /^http:\/\/buildkit-session(\/.+)$/;

/** Decodes the main context. Throws EngineError 'bad-request' for a kind that this agent does not fetch itself. */
export function decodeMainContext(options: FrontendOptions): MainContext {
  const name = options.get('contextkey') ?? 'context';
  const value = options.get(name);
  if (options.has('contextsubdir')) {
    throw new EngineError('bad-request', 'a folder within a remote context is not supported');
  }
  if (value === undefined) return { kind: 'folder', name };
  const path = UPLOAD.exec(value)?.[1];
  if (path !== undefined) return { kind: 'upload', path };
  if (isGitUrl(value)) return gitContext(options, value);
  throw remote(value);
}

function gitContext(options: FrontendOptions, value: string): MainContext {
  const keeps = /^(?:1|t|true)$/i.test(options.get('build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR') ?? '');
  const url = parseGitUrl(value);
  return { kind: 'git', url: keeps ? { ...url, keepsHistory: true } : url };
}

/**
 * Decodes the contexts of --build-context. `images` are the results of other builds that the client passes in, by their
 * keys.
 */
export function decodeNamedContexts(
  options: FrontendOptions,
  images: ReadonlyMap<string, string>,
): ReadonlyMap<string, NamedContext> {
  const contexts = new Map<string, NamedContext>();
  for (const [name, value] of optionsBelow(options, 'context:')) {
    contexts.set(name, decodeNamedContext(name, value, images));
  }
  return contexts;
}

function decodeNamedContext(name: string, value: string, images: ReadonlyMap<string, string>): NamedContext {
  if (isGitSource(value)) return { kind: 'git', url: parseGitUrl(value) };
  const [, scheme, rest = ''] = /^([a-z-]+):(.*)$/.exec(value) ?? [];
  switch (scheme) {
    case 'local':
      return { kind: 'folder', name: rest };
    case 'docker-image':
      return { kind: 'image', reference: rest.replace(/^\/\//, '') };
    case 'input': {
      const reference = images.get(rest);
      if (reference === undefined) {
        throw new EngineError('bad-request', `the context ${name} is the result of no build of this agent`);
      }
      return { kind: 'image', reference };
    }
    case 'oci-layout':
      throw new EngineError(
        'bad-request',
        `the context ${name} is an OCI layout, which is not supported: push it to a registry and name it with docker-image://`,
      );
    default:
      throw remote(value);
  }
}

function remote(value: string): EngineError {
  return new EngineError(
    'bad-request',
    `the context at ${value} is not fetched by this agent: fetch it, and build in its folder or pipe it as a tar into "docker build -"`,
  );
}
