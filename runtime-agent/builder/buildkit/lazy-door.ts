import type { BuildkitDoor } from './buildkit-door.ts';

/**
 * A door that `open` makes for the first client that comes: most of what it is made of are libraries, which take forty megabytes and half a
 * second, and hosts on which nobody builds need none of them.
 */
export function lazyDoor(open: () => Promise<BuildkitDoor>): BuildkitDoor {
  let opened: Promise<BuildkitDoor> | undefined;
  const door = () => {
    opened ??= open();
    return opened;
  };
  return {
    async accept(request) {
      return await (await door()).accept(request);
    },
    async *build(request, signal) {
      yield* (await door()).build(request, signal);
    },
    close() {
      void opened?.then((made) => made.close());
    },
  };
}
