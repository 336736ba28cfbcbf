import { type NetworkContext, publishNetworkEvent } from './network-context.ts';
import { releaseEndpoint } from './take-endpoint.ts';

/** Milliseconds after which links that the kernel has not taken down with their namespace are deleted. */
const LINGERING = 3_000;

/** See ContainerNetworks.close. */
export async function closeSandbox(context: NetworkContext, id: string): Promise<void> {
  const { sandboxes, kernel, log } = context;
  const sandbox = sandboxes.get(id);
  if (sandbox === undefined) return;
  sandboxes.delete(id);
  await sandbox.opening;
  context.dns.forget(id);
  if (sandbox.ports.length > 0) {
    await context.filter.setPorts(id, []).catch((error: unknown) => {
      log.error(
        { container: id, err: error },
        'the ports of a container could not be taken off the packet filter',
      );
    });
  }
  await context.publisher.release(id);
  for (const endpoint of sandbox.endpoints) {
    releaseEndpoint(context.addresses, id, endpoint);
    if (sandbox.connected) publishNetworkEvent(context, endpoint.network, 'disconnect', id);
  }
  const links = sandbox.endpoints.map(({ link }) => link);
  if (links.length === 0) return;
  // Another container that shares the namespace, or a program in it, would keep the address in use.
  setTimeout(() => {
    kernel.run('unlink', { links }).catch((error: unknown) => {
      log.debug({ container: id, err: error }, 'the links of a container could not be deleted');
    });
  }, LINGERING).unref();
}
