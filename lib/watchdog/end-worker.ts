import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { exitProcess } from '../linux/exit-process.ts';
import { STALL_EXIT_CODE } from './watch-orders.ts';

/** Ends the process after `workerData` milliseconds, even when its other threads hang. */
await sleep(workerData as number);
exitProcess(STALL_EXIT_CODE);
