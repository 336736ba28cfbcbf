import { RequestThread } from '../../../lib/threads/request-thread.ts';
import type { JobAnswer, JobKind, JobMessage, JobReport, JobRequest, NetworkKernel } from './kernel.ts';

/**
 * The thread that changes links, addresses and packet filters: it moves between network namespaces, which the agent's
 * main thread must not, and waits for the kernel, which can be slow under load.
 */
export class NetworkThread implements NetworkKernel {
  readonly #thread = new RequestThread<JobMessage, JobReport>(
    new URL('./network-worker.ts', import.meta.url),
    {
      purpose: 'of the networks',
      handsOverDescriptors: true,
    },
  );

  async run<K extends JobKind>(kind: K, request: JobRequest<K>): Promise<JobAnswer<K>> {
    const report = await this.#thread.ask({ id: this.#thread.newId(), kind, request } as JobMessage);
    if (!('failure' in report)) return report.answer as JobAnswer<K>;
    const { failure, code } = report;
    throw Object.assign(new Error(failure), code === undefined ? {} : { code });
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
