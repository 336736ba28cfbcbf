import koffi from 'koffi';

const SIOCOUTQ = 0x5411;

/**
 * Reports whether the peer of a socket still has to read the sent data (Unix sockets) or acknowledge it (TCP); false
 * when the kernel cannot say.
 */
export function hasUnreadOutput(fd: number): boolean {
  const bytes = new Uint8Array(4);
  return library().ioctl(fd, SIOCOUTQ, bytes) === 0 && bytes.some((byte) => byte !== 0);
}

let loaded: { readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number } | undefined;

function library(): NonNullable<typeof loaded> {
  loaded ??= {
    ioctl: koffi.load(null).func('int ioctl(int fd, unsigned long request, _Inout_ uint8_t *argument)'),
  };
  return loaded;
}
