import { openSync, readSync } from 'node:fs';
import { startWatchdog } from '../../lib/watchdog/watchdog.ts';
import { WorkUnderWay } from '../../lib/watchdog/work-under-way.ts';

/** A process with a watchdog of one second whose event loop stalls as the first argument says; the others are paths. */
const [way, record = '', path = ''] = process.argv.slice(2);

const WAYS: Readonly<Record<string, () => void>> = {
  'in JavaScript': () => {
    for (;;);
  },
  'in promises': () => {
    const again = (): Promise<void> => Promise.resolve().then(again);
    void again();
  },
  'in a system call': () => {
    readSync(openSync(path, 'r'), Buffer.alloc(1));
  },
  'for three seconds': () => {
    const end = performance.now() + 3_000;
    while (performance.now() < end);
    setTimeout(() => process.exit(0), 3_000);
  },
  'not at all': () => {
    process.stdin.once('data', () => process.exit(0));
  },
};

startWatchdog({
  limit: 1_000,
  work: new WorkUnderWay(),
  record,
  log: { fields: { level: 60 }, isoTime: true },
  onFailure: (error) => {
    throw error;
  },
});
process.stdout.write('ready\n');
setTimeout(() => WAYS[way ?? '']?.(), 300);
