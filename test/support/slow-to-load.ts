import { parentPort } from 'node:worker_threads';
import koffi from 'koffi';

/** A thread that loads native code for long, and says when it begins and when it has done it. */
parentPort?.postMessage('begins');
const library = koffi.load(null);
for (let index = 0; index < 20_000; index += 1) library.func('int getpid()');
parentPort?.postMessage('has loaded');
