import { loadLibc } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/**
 * Tells systemd the state of this service, such as `READY=1` (sd_notify(3)); `socket` is the value of NOTIFY_SOCKET.
 * Does nothing without a socket, or when nobody listens there: the notification is best-effort.
 */
export function notifySystemd(state: string, socket: string | undefined): void {
  if (socket === undefined || !/^[/@]/.test(socket)) return;
  const libc = loadLibc();
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  // An abstract address begins with a zero byte in place of the @.
  const path = Buffer.from(socket.replace(/^@/, '\0'));
  const address = Buffer.concat([Buffer.from(new Uint16Array([AF_UNIX]).buffer), path]);
  const message = Buffer.from(state);
  if (libc.connect(fd, address, address.length) === 0) libc.send(fd, message, message.length, 0);
  libc.close(fd);
}
