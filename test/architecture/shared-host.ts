/** Helpers of test/support that start what makes bridges and packet filters, or that look at all of a network. */
const OF_NETWORKS = [
  ...['agent-process', 'agent-with-image', 'network-agent', 'host-network', 'host-remains', 'neighbour'],
  ...['second-host', 'compose-app', 'beside-dockerd'],
].join('|');
const IMPORTS = new RegExp(
  `^import (?!type )[^;]*? from '[^']*(?:support/(?:${OF_NETWORKS})|networks/publish/[a-z-]+)\\.ts'`,
  'm',
);
/** A port that another test, agent or registry of the machine may have. */
const FIXED_PORT =
  /\.listen\((?:\{[^}]*port: )?[1-9]\d*\b|'(?:127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):[1-9]\d{1,4}'\]/;
/** Who is in the machine's own network, and why. */
const IN_MACHINE: Readonly<Record<string, string>> = {
  'test/e2e/agent-builds-berth.test.ts': 'the steps of its build fetch packages',
  'test/e2e/packages.test.ts': 'apt fetches what the packages depend on',
};

/** Why a test could meet other agents, registries and tests of the machine: sentences; none where it cannot. */
export function sharesHost(file: string, source: string): readonly string[] {
  if (file in IN_MACHINE || /^enterOwnNetwork\(/m.test(source)) return [];
  const found: string[] = [];
  if (IMPORTS.test(source)) {
    found.push(`${file}: starts an agent or looks at a network: call enterOwnNetwork() first`);
  }
  const port = FIXED_PORT.exec(source);
  if (port !== null) {
    found.push(
      `${file}: ${port[0]} is a port of the machine: use 0 or freePort(), or call enterOwnNetwork() first`,
    );
  }
  return found;
}
