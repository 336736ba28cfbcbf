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
  'for longer than the limit': () => {
    // Of processor time: what the thread waits for a processor does not count.
    const used = () => process.threadCpuUsage().user / 1_000;
    const end = used() + 1_500;
    while (used() < end);
    setTimeout(() => process.exit(0), 1_000);
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
