import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { PROPERTIES } from './model/properties.ts';

const THREAD = new URL('./model/property-thread.ts', import.meta.url);

// In threads, which Node's test runner does not watch: half the time would go into its notes of every promise.
for (const name of Object.keys(PROPERTIES)) {
  test(name, async () => {
    await once(new Worker(THREAD, { workerData: name }), 'exit');
  });
}
