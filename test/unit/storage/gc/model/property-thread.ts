import { workerData } from 'node:worker_threads';
import { checkProperty } from './properties.ts';

await checkProperty(workerData);
