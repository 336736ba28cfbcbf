import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import { EngineError } from '../../../errors.ts';
import type { BuildProgress, BuildSource, ContextWant, Ignoring } from '../../builder.ts';
import type { ClientContent } from '../../cache/remote/remote-cache.ts';
import {
  type ReceivedSource,
  type ReceiveOptions,
  receiveSource,
  treeSource,
} from '../../classic/classic-source.ts';
import type { FileTree } from '../../context/file-tree.ts';
import { gitFiles } from '../../context/git/git-files.ts';
import type { GitUrl } from '../../context/git/git-url.ts';
import { SharedTrees } from '../../context/shared-trees.ts';
import { internalStep } from '../../internal-step.ts';
import { clientCredentials, clientSecret } from '../session/client-secrets.ts';
import type { ClientSession } from '../session/client-session.ts';
import { readSmallFiles, type SmallFiles } from '../session/read-small-files.ts';
import { receiveFolder } from '../session/receive-folder.ts';
import { sessionContent } from '../session/session-content.ts';
import { type ForwardedSocket, forwardSsh } from '../session/ssh-forward.ts';
import type { SyncedFolders } from '../session/synced-folders.ts';
import { uploadStream } from '../session/upload-stream.ts';
import type { MainContext } from './contexts.ts';
import type { FrontendPlan } from './frontend-options.ts';

const IGNORE_FILE = '.dockerignore';

/** Where the files of clients are put. */
export interface SourcePlaces {
  readonly folders: SyncedFolders;
  /** For contexts that arrive as one tar; the usual limits of contexts apply. */
  readonly archives: Pick<ReceiveOptions, 'directory' | 'limits'>;
}

/** Parts of the request for a build. */
export interface SentWithRequest {
  /** A tar of the context; undefined if the options name another context. */
  readonly archive: AsyncIterable<Uint8Array> | undefined;
  /** For registries without credentials in the session. */
  readonly credentials: ReadonlyMap<string, RegistryCredentials>;
}

export interface SessionSourceParts {
  readonly plan: FrontendPlan;
  /** Undefined without a session. */
  readonly session: ClientSession | undefined;
  readonly sent: SentWithRequest | undefined;
  readonly places: SourcePlaces;
  readonly progress: (step: BuildProgress) => void;
}

type Context = MainContext | { readonly kind: 'sent'; readonly archive: AsyncIterable<Uint8Array> };

/** The sources of one build, requested from the client's session on demand. */
export class SessionSource implements BuildSource {
  readonly #plan: FrontendPlan;
  readonly #context: Context;
  readonly #session: ClientSession | undefined;
  readonly #credentials: SentWithRequest['credentials'];
  readonly #places: SourcePlaces;
  readonly #progress: (step: BuildProgress) => void;
  readonly #trees = new SharedTrees();
  #definition: Promise<SmallFiles> | undefined;
  #ignoreFile: Promise<string | undefined> | undefined;
  #archive: Promise<ReceivedSource> | undefined;

  constructor({ plan, session, sent, places, progress }: SessionSourceParts) {
    this.#plan = plan;
    this.#context = sent?.archive === undefined ? plan.context : { kind: 'sent', archive: sent.archive };
    this.#credentials = sent?.credentials ?? new Map();
    this.#session = session;
    this.#places = places;
    this.#progress = progress;
  }

  get ignoring(): Ignoring {
    return this.#context.kind === 'folder' ? 'all' : 'nothing';
  }

  /** To be called when the build is over. */
  async close(): Promise<void> {
    await (await this.#archive?.catch(() => undefined))?.close();
  }

  async readDockerfile(name: string, signal: AbortSignal): Promise<string | undefined> {
    const { isDockerfileLocal } = this.#plan;
    const context = this.#context;
    if (context.kind !== 'folder' && (name === IGNORE_FILE || !isDockerfileLocal)) {
      return await (await this.#whole(context, signal)).readDockerfile(name, signal);
    }
    if (name === IGNORE_FILE) {
      this.#ignoreFile ??= this.#readIgnoreFile(signal);
      return await this.#ignoreFile;
    }
    this.#definition ??= this.#readDefinition(signal);
    return (await this.#definition).read(name);
  }

  async openContext(
    name: string | undefined,
    want: ContextWant,
    signal: AbortSignal,
  ): ReturnType<BuildSource['openContext']> {
    const context = this.#context;
    if (name === undefined && context.kind !== 'folder') {
      return await (await this.#whole(context, signal)).openContext(undefined, want, signal);
    }
    const named = name === undefined ? undefined : this.#plan.namedContexts.get(name);
    if (named?.kind === 'git') {
      return await this.#trees.borrow(`context ${name}`, () => this.#fetch(named.url, signal));
    }
    const title = name === undefined ? '[internal] load build context' : `[context ${name}] load from client`;
    const folder = name === undefined ? this.#mainFolder() : this.#namedFolder(name);
    const receive = () => this.#receive(title, folder, want, signal);
    if (this.#plan.platforms.length <= 1) return await receive();
    // The builds of several platforms nearly always want the same files.
    return await this.#trees.borrow(JSON.stringify([folder, want]), receive);
  }

  async #receive(title: string, folder: string, want: ContextWant, signal: AbortSignal): Promise<FileTree> {
    return await internalStep(title, this.#progress, async (step) => {
      const query = {
        folder,
        exclude: want.exclude,
        ...(want.include === undefined ? {} : { follow: want.include }),
      };
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      return await receiveFolder(
        this.#places.folders,
        this.#opened(),
        query,
        this.#places.archives.limits,
        progress,
        signal,
      );
    });
  }

  async secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#session && (await clientSecret(this.#session, id, signal));
  }

  async credentials(registry: string, signal: AbortSignal): Promise<RegistryCredentials | undefined> {
    const ofClient = this.#session && (await clientCredentials(this.#session, registry, signal));
    return ofClient ?? this.#credentials.get(registry);
  }

  folderContent(path: string): ClientContent {
    return sessionContent(this.#opened(), path);
  }

  async sshSocket(id: string, signal: AbortSignal): Promise<ForwardedSocket | undefined> {
    return this.#session && (await forwardSsh(this.#session, id, signal));
  }

  /** Throws EngineError 'bad-request' if the client has opened no session. */
  #opened(): ClientSession {
    if (this.#session !== undefined) return this.#session;
    throw new EngineError(
      'bad-request',
      "no active sessions: the files of this build are the client's, which has opened no session to send them",
    );
  }

  /** The Dockerfile and its own ignore file arrive in one transfer. */
  async #readDefinition(signal: AbortSignal): Promise<SmallFiles> {
    const file = this.#plan.request.dockerfile;
    const title = `[internal] load build definition from ${file}`;
    return await internalStep(title, this.#progress, (step) =>
      readSmallFiles(
        this.#opened(),
        this.#plan.dockerfileFolder,
        [file, `${file}${IGNORE_FILE}`],
        (bytes) => step.transferred('transferring dockerfile:', bytes),
        signal,
      ),
    );
  }

  async #readIgnoreFile(signal: AbortSignal): Promise<string | undefined> {
    const folder = this.#mainFolder();
    return await internalStep(`[internal] load ${IGNORE_FILE}`, this.#progress, async (step) => {
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      const files = await readSmallFiles(this.#opened(), folder, [IGNORE_FILE], progress, signal);
      return files.read(IGNORE_FILE);
    });
  }

  /** Fetches a context that is not a client's folder as a whole, once. */
  #whole(context: Exclude<Context, { kind: 'folder' }>, signal: AbortSignal): Promise<ReceivedSource> {
    const { archives } = this.#places;
    if (context.kind === 'git') {
      this.#archive ??= this.#fetch(context.url, signal).then((tree) => treeSource(tree, new Map()));
      return this.#archive;
    }
    this.#archive ??= internalStep('[internal] load remote build context', this.#progress, (step) => {
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      const tar =
        context.kind === 'sent'
          ? counted(context.archive, progress)
          : uploadStream(this.#opened(), context.path, progress, signal);
      return receiveSource(tar, { ...archives, credentials: new Map(), signal });
    });
    return this.#archive;
  }

  async #fetch(url: GitUrl, signal: AbortSignal): Promise<FileTree> {
    return await internalStep(`[internal] load git source ${url.shown}`, this.#progress, async () => {
      const { tree } = await gitFiles(url, this, this.#places.archives, signal);
      return tree;
    });
  }

  #mainFolder(): string {
    const context = this.#context;
    if (context.kind === 'folder') return context.name;
    throw new TypeError('the main context is not a folder');
  }

  #namedFolder(name: string): string {
    const context = this.#plan.namedContexts.get(name);
    if (context?.kind === 'folder') return context.name;
    throw new EngineError('bad-request', `there is no folder for the context ${name}`);
  }
}

async function* counted(
  archive: AsyncIterable<Uint8Array>,
  progress: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const data of archive) {
    bytes += data.length;
    progress(bytes);
    yield data;
  }
}
