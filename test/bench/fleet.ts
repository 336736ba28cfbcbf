import { parseArgs } from 'node:util';
import { withCleanup } from '../support/cleanup.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { type FleetFigure, fleetTable } from './fleet/figures.ts';
import { measureIdle } from './fleet/measure-idle.ts';
import { measureKills } from './fleet/measure-kills.ts';
import { measureRequests } from './fleet/measure-requests.ts';
import { measureRollouts } from './fleet/measure-rollouts.ts';
import { measureSimulated } from './fleet/measure-simulated.ts';

/*
 * `node test/bench/fleet.ts [PART]…`: a registry and real agents, each on a machine (namespaces) of its own. Parts: rollouts, requests,
 * simulated, idle, kills; all unless some are named. Needs root. Prints a Markdown table; progress goes to standard error.
 */
enterOwnNetwork({ ownRun: true });

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    hosts: { type: 'string', default: '10' },
    times: { type: 'string', default: '10' },
    'layer-mb': { type: 'string', default: '50' },
    requests: { type: 'string', default: '20000' },
    simulated: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    kills: { type: 'string', default: '5' },
  },
});
const hosts = Number(values.hosts);

const PARTS = {
  rollouts: (scope, signal) =>
    measureRollouts(scope, signal, {
      hosts,
      times: Number(values.times),
      layerSize: Number(values['layer-mb']) * 1e6,
    }),
  requests: (scope, signal) =>
    measureRequests(scope, signal, { hosts: Math.min(hosts, 3), requests: Number(values.requests) }),
  simulated: (scope, signal) => measureSimulated(scope, signal, { hosts: Number(values.simulated) }),
  idle: (scope, signal) => measureIdle(scope, signal, { seconds: Number(values.seconds) }),
  kills: (scope, signal) =>
    measureKills(scope, signal, { hosts: Math.min(hosts, 3), rounds: Number(values.kills) }),
} as const satisfies Record<string, Part>;

type Part = (...given: Parameters<Parameters<typeof withCleanup>[0]>) => Promise<readonly FleetFigure[]>;

const named = Object.entries<Part>(PARTS).filter(
  ([name]) => positionals.length === 0 || positionals.includes(name),
);
if (named.length < positionals.length || named.length === 0) {
  console.error(`parts: ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
const figures: FleetFigure[] = [];
for (const [name, measure] of named) {
  console.error(`part ${name}`);
  figures.push(...(await withCleanup(measure)));
}
console.log(fleetTable(figures));
