import { EngineError } from '../../../errors.ts';
import type { RegistryCredentials } from '../../../images/images.ts';
import type { BuildProgress, BuildSource, ContextWant } from '../../builder.ts';
import type { FileTree } from '../../context/file-tree.ts';
import type { FrontendPlan } from '../frontend/frontend-options.ts';
import { clientCredentials, clientSecret } from '../session/client-secrets.ts';
import type { ClientSession } from '../session/client-session.ts';
import { readSmallFiles, type SmallFiles } from '../session/read-small-files.ts';
import { type ForwardedSocket, forwardSsh } from '../session/ssh-forward.ts';
import type { SyncedFolders } from '../session/synced-folders.ts';
import { ignorePatterns } from './ignore-patterns.ts';
import { internalStep } from './internal-step.ts';

const IGNORE_FILE = '.dockerignore';

/** What one build reads, asked of the client's session when it is needed. */
export class SessionSource implements BuildSource {
  readonly #plan: FrontendPlan;
  readonly #session: ClientSession;
  readonly #folders: SyncedFolders;
  readonly #progress: (step: BuildProgress) => void;
  #definition: Promise<SmallFiles> | undefined;

  constructor(
    plan: FrontendPlan,
    session: ClientSession,
    folders: SyncedFolders,
    progress: (step: BuildProgress) => void,
  ) {
    this.#plan = plan;
    this.#session = session;
    this.#folders = folders;
    this.#progress = progress;
  }

  async readDockerfile(name: string, signal: AbortSignal): Promise<string | undefined> {
    if (name === IGNORE_FILE) return await this.#readIgnoreFile(signal);
    this.#definition ??= this.#readDefinition(signal);
    return (await this.#definition).read(name);
  }

  async openContext(name: string | undefined, want: ContextWant, signal: AbortSignal): Promise<FileTree> {
    const title = name === undefined ? '[internal] load build context' : `[context ${name}] load from client`;
    const folder = name === undefined ? this.#mainFolder() : this.#namedFolder(name);
    return await internalStep(title, this.#progress, async (step) => {
      const query = {
        folder,
        exclude: ignorePatterns(want.exclude),
        ...(want.include === undefined ? {} : { follow: want.include }),
      };
      const progress = (bytes: number) => step.transferred('transferring context:', bytes);
      return await this.#folders.receive(this.#session, query, progress, signal);
    });
  }

  secret(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return clientSecret(this.#session, id, signal);
  }

  credentials(registry: string, signal: AbortSignal): Promise<RegistryCredentials | undefined> {
    return clientCredentials(this.#session, registry, signal);
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

  #mainFolder(): string {
    const { context } = this.#plan;
    if (context.kind === 'folder') return context.name;
    throw new EngineError('not-implemented', 'a context from the standard input is not supported yet');
  }

  #namedFolder(name: string): string {
    const context = this.#plan.namedContexts.get(name);
    if (context?.kind === 'folder') return context.name;
    throw new EngineError('bad-request', `there is no folder for the context ${name}`);
  }
}
