const ENTERED = 'BERTH_TEST_NETWORK';

/** The address that a program of the test's namespace has beside loopback, as a host has one in its network. */
export const HOST_ADDRESS = '198.51.100.1';

/**
 * Puts the process that runs a test file, and so all that it starts, into a network namespace of its own: this program is
 * replaced by the same one there. Bridges and packet filters of the tests are not the machine's then, and end with the test.
 * With `ownRun` the folders that agents have below /run are the test's own too. Call it first in the file. Does nothing where the test is
 * not root.
 */
export function enterOwnNetwork({ ownRun = false }: { readonly ownRun?: boolean } = {}): void {
  if (process.getuid?.() !== 0 || process.env[ENTERED] !== undefined) return;
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const script = [
    'ip link set lo up',
    'ip link add outside0 type veth peer name outside1',
    `ip addr add ${HOST_ADDRESS}/24 dev outside0`,
    'ip link set outside0 up',
    'ip link set outside1 up',
    'ip route add default via 198.51.100.254',
    ...(ownRun ? ['mkdir -p /run/berth-agent', 'mount -t tmpfs tmpfs /run/berth-agent'] : []),
    'exec "$@"',
  ].join(' && ');
  const namespaces = ownRun ? ['--net', '--mount'] : ['--net'];
  process.execve?.(
    '/usr/bin/unshare',
    ['unshare', ...namespaces, '--', '/bin/sh', '-c', script, 'sh', ...again],
    {
      ...process.env,
      [ENTERED]: '1',
    },
  );
}
