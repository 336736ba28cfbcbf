import { type ChildProcess, spawn } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Digest } from '../../../oci/digest.ts';
import { invalidLayer } from '../layer-folders.ts';
import { readExtractionFailure } from './extraction-failure.ts';

const PROGRAM = fileURLToPath(new URL('./extract-main.ts', import.meta.url));
const MAX_REPORT = 16 << 10;

/** Rights over files of any owner, for devices, set-uid bits and the attributes `security.*` and `trusted.*` (sys_admin). */
const CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'mknod',
  'setfcap',
  'sys_admin',
  'sys_chroot',
];

/**
 * Starts a program with only these capabilities, and without a network. Neither it nor its children can gain others.
 */
const CONFINED = [
  ...['unshare', '--mount', '--net', '--ipc', '--uts', '--'],
  ...[
    'setpriv',
    '--no-new-privs',
    `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join()}`,
    '--',
  ],
];

/** Unpacks a tar in a separate process, which has made the folder its root and so cannot leave it. */
export class Extraction {
  readonly #diffId: Digest | undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #report = '';

  /**
   * `diffId` is for messages, if it is known. `tree` is an empty folder; it receives the layer's entries, with
   * whiteouts in overlay's form.
   */
  constructor(diffId: Digest | undefined, tree: string) {
    this.#diffId = diffId;
    const cache = getCompileCacheDir();
    const [command = '', ...args] = [...CONFINED, process.execPath, PROGRAM, tree];
    this.#child = spawn(command, args, {
      cwd: '/',
      env: {
        PATH: process.env.PATH,
        // Node makes a folder for its version in this one. Compiling takes longer than most layers.
        ...(cache !== undefined && { NODE_COMPILE_CACHE: dirname(cache) }),
      },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      if (this.#report.length < MAX_REPORT) this.#report += chunk.toString('utf8');
    });
    // It ends before its input when it fails; finish() reports why.
    this.#child.stdin?.on('error', () => undefined);
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => resolve(code ?? 1));
    });
    this.#ended.catch(() => undefined);
  }

  /** Passes it the next bytes, and waits while its buffer is full. */
  async write(chunk: Uint8Array): Promise<void> {
    const { stdin } = this.#child;
    if (stdin === null || stdin.destroyed || stdin.write(chunk)) return;
    await Promise.race([this.#ended, new Promise((resolve) => stdin.once('drain', resolve))]);
  }

  /**
   * Waits until everything is unpacked. Throws EngineError 'bad-request' for an invalid tar, and errors of the device.
   */
  async finish(): Promise<void> {
    this.#child.stdin?.end();
    const code = await this.#ended;
    if (code === 0) return;
    const { message, deviceCode } = readExtractionFailure(this.#report);
    if (deviceCode !== undefined) throw Object.assign(new Error(message), { code: deviceCode });
    throw invalidLayer(this.#diffId, message);
  }

  /** Ends the process if it is still running, and waits for it. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill('SIGKILL');
    await this.#ended.catch(() => undefined);
  }
}
