import { createInterface } from 'node:readline';
import type { Route } from '../../runtime-agent/fleet/ingress/ingress.ts';
import { type IngressPlace, openIngress } from './ingress.ts';

/*
 * Runs an ingress in a process of its own, which the test kills: `node ingress-child.ts PLACE`. Each line of input is the routes to
 * set, as JSON, and is answered with one line.
 */

const ingress = openIngress(JSON.parse(process.argv[2] ?? '') as IngressPlace);
await ingress.start(new AbortController().signal);
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  await ingress.setRoutes(JSON.parse(line) as Route[]);
  console.log('set');
}
