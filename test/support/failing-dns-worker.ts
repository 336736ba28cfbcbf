import { parentPort } from 'node:worker_threads';
import type { DnsMessage } from '../../runtime-agent/networks/dns/dns-thread.ts';
import '../../runtime-agent/networks/dns/dns-worker.ts';

// The thread of the resolvers, which fails when it is told of a container `fail`.
parentPort?.on('message', (message: DnsMessage) => {
  if (message.kind === 'know' && message.member.id === 'fail') throw new Error('told to fail');
});
