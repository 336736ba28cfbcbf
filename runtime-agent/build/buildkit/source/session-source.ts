import { EngineError } from '../../../errors.ts';
import type { RegistryCredentials } from '../../../images/images.ts';
import type { BuildProgress, BuildSource, ContextWant } from '../../builder.ts';
import {
  type ReceivedSource,
  type ReceiveOptions,
  receiveSource,
  treeSource,
} from '../../classic/classic-source.ts';
import type { ClientContent } from '../../client-content.ts';
import type { FileTree } from '../../context/file-tree.ts';
import { gitFiles } from '../../context/git/git-files.ts';
import type { GitUrl } from '../../context/git/git-url.ts';
import { SharedTrees } from '../../context/shared-trees.ts';
import { internalStep } from '../../internal-step.ts';
import type { MainContext } from '../frontend/contexts.ts';
import type { FrontendPlan } from '../frontend/frontend-options.ts';
import { clientCredentials, clientSecret } from '../session/client-secrets.ts';
import type { ClientSession } from '../session/client-session.ts';
import { readSmallFiles, type SmallFiles } from '../session/read-small-files.ts';
import { receiveFolder } from '../session/receive-folder.ts';
import { sessionContent } from '../session/session-content.ts';
import { type ForwardedSocket, forwardSsh } from '../session/ssh-forward.ts';
import type { SyncedFolders } from '../session/synced-folders.ts';
import { uploadStream } from '../session/upload-stream.ts';
import { ignorePatterns } from './ignore-patterns.ts';

const IGNORE_FILE = '.dockerignore';

/** Where the files of clients are put. */
export interface SourcePlaces {
  readonly folders: SyncedFolders;
  /** For contexts that come as one tar; the limits are those of any context. */
  readonly archives: Pick<ReceiveOptions, 'directory' | 'limits'>;
}

/** What one build reads, asked of the client's session when it is needed. */
export class SessionSource implements BuildSource {
  readonly #plan: FrontendPlan;
  readonly #session: ClientSession;
  readonly #places: SourcePlaces;
  readonly #progress: (step: BuildProgress) => void;
  readonly #trees = new SharedTrees();
  #definition: Promise<SmallFiles> | undefined;
  #ignoreFile: Promise<string | undefined> | undefined;
  #archive: Promise<ReceivedSource> | undefined;

  constructor(
    plan: FrontendPlan,
    session: ClientSession,
    places: SourcePlaces,
    progress: (step: BuildProgress) => void,
  ) {
    this.#plan = plan;
    this.#session = session;
    this.#places = places;
    this.#progress = progress;
  }

  /** To be called when the build is over. */
  async close(): Promise<void> {
    await (await this.#archive?.catch(() => undefined))?.close();
  }

  async readDockerfile(name: string, signal: AbortSignal): Promise<string | undefined> {
    const { context, isDockerfileLocal } = this.#plan;
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
    const { context } = this.#plan;
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
        exclude: ignorePatterns(want.exclude),
        ...(want.include === undefined ? {} : { follow: want.include }),
      };
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      return await receiveFolder(
        this.#places.folders,
        this.#session,
        query,
        this.#places.archives.limits,
        progress,
        signal,
      );
    });
  }

  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return clientSecret(this.#session, id, signal);
  }

  credentials(registry: string, signal: AbortSignal): Promise<RegistryCredentials | undefined> {
    return clientCredentials(this.#session, registry, signal);
  }

  folderContent(path: string): ClientContent {
    return sessionContent(this.#session, path);
  }

  sshSocket(id: string, signal: AbortSignal): Promise<ForwardedSocket | undefined> {
    return forwardSsh(this.#session, id, signal);
  }

  /** The Dockerfile and the ignore file that is its own come in one transfer. */
  async #readDefinition(signal: AbortSignal): Promise<SmallFiles> {
    const file = this.#plan.request.dockerfile;
    const title = `[internal] load build definition from ${file}`;
    return await internalStep(title, this.#progress, (step) =>
      readSmallFiles(
        this.#session,
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
      const files = await readSmallFiles(this.#session, folder, [IGNORE_FILE], progress, signal);
      return files.read(IGNORE_FILE);
    });
  }

  /** What is no folder of the client's comes as a whole, once. */
  #whole(context: Exclude<MainContext, { kind: 'folder' }>, signal: AbortSignal): Promise<ReceivedSource> {
    const { archives } = this.#places;
    if (context.kind === 'git') {
      this.#archive ??= this.#fetch(context.url, signal).then((tree) => treeSource(tree, new Map()));
      return this.#archive;
    }
    this.#archive ??= internalStep('[internal] load remote build context', this.#progress, (step) => {
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      const tar = uploadStream(this.#session, context.path, progress, signal);
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
    const { context } = this.#plan;
    if (context.kind === 'folder') return context.name;
    throw new TypeError('the main context is no folder');
  }

  #namedFolder(name: string): string {
    const context = this.#plan.namedContexts.get(name);
    if (context?.kind === 'folder') return context.name;
    throw new EngineError('bad-request', `there is no folder for the context ${name}`);
  }
}
