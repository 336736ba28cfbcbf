import { EngineError } from '../../../errors.ts';
import { type GitUrl, isGitUrl, parseGitUrl } from '../../context/git/git-url.ts';
import { type FrontendOptions, optionsBelow } from './options.ts';

/** Where the files of a context are. */
export type MainContext =
  | { readonly kind: 'folder'; readonly name: string }
  /** A tar that the client has read from its standard input, at a path of its upload service. */
  | { readonly kind: 'upload'; readonly path: string }
  /** A repository that the agent fetches. */
  | { readonly kind: 'git'; readonly url: GitUrl };

/** Where a further context is: in a folder of the client's, or an image by reference. */
export type NamedContext =
  | { readonly kind: 'folder'; readonly name: string }
  | { readonly kind: 'image'; readonly reference: string };

const UPLOAD = /^http:\/\/buildkit-session(\/.+)$/;

/** The main context. Throws EngineError 'bad-request' for what this agent does not fetch by itself. */
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
  const keeps = 'build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR';
  if (!['', '0', 'false'].includes(options.get(keeps) ?? '')) {
    throw new EngineError(
      'bad-request',
      'BUILDKIT_CONTEXT_KEEP_GIT_DIR is not supported: a git repository comes without its history',
    );
  }
  return { kind: 'git', url: parseGitUrl(value) };
}

/** The contexts of --build-context. `images` are the results of other builds that the client hands over, by their keys. */
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
  const what = isGitUrl(value) ? 'the git repository' : 'the context at';
  return new EngineError(
    'bad-request',
    `${what} ${value} is not fetched by this agent: fetch it, and build in its folder or pipe it as a tar into "docker build -"`,
  );
}
