import { parentPort } from 'node:worker_threads';
import type { JobMessage, JobReport } from './kernel.ts';
import { KernelJobs } from './kernel-jobs.ts';

const jobs = new KernelJobs();

parentPort?.on('message', (message: JobMessage) => {
  let report: JobReport;
  try {
    report = { id: message.id, answer: jobs.run(message) };
  } catch (error) {
    const { message: failure, code } = error as NodeJS.ErrnoException;
    report = { id: message.id, failure, ...(code === undefined ? {} : { code }) };
  }
  parentPort?.postMessage(report);
});
