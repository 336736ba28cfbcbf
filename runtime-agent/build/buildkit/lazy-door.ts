import type { BuildkitDoor } from './buildkit-door.ts';

/**
 * A door that `open` makes for the first client that comes: most of what it is made of are libraries, which take forty megabytes and half a
 * second, and hosts on which nobody builds need none of them.
 */
export function lazyDoor(open: () => Promise<BuildkitDoor>): BuildkitDoor {
  let opened: Promise<BuildkitDoor> | undefined;
  return {
    async accept(request) {
      opened ??= open();
      return await (await opened).accept(request);
    },
    close() {
      void opened?.then((door) => door.close());
    },
  };
}
