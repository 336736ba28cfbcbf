import koffi from 'koffi';

/** Of a cmsghdr with one descriptor, and of its header alone, on 64-bit machines (cmsg(3)). */
const CONTROL_SIZE = 24;
const HEADER_SIZE = 16;
/** The runtime sends the terminal's path along. */
const DATA_SIZE = 4096;
const MSG_CMSG_CLOEXEC = 0x40000000;

type Receive = (fd: number, message: object, flags: number) => number;

let receive: Receive | undefined;

/**
 * Takes a message of a unix socket with one descriptor in it (SCM_RIGHTS, unix(7)), which the caller closes. Answers -1 with
 * errno set when there is none now. Throws when the connection ended, or a message came without one.
 */
export function receiveDescriptor(socket: number): number {
  receive ??= bind();
  const data = new Uint8Array(DATA_SIZE);
  const control = Buffer.alloc(CONTROL_SIZE);
  const message = {
    name: null,
    nameLength: 0,
    parts: { base: data, length: DATA_SIZE },
    count: 1,
    control,
    controlLength: CONTROL_SIZE,
    flags: 0,
  };
  const length = Number(receive(socket, message, MSG_CMSG_CLOEXEC));
  if (length < 0) return -1;
  if (message.controlLength < CONTROL_SIZE) {
    throw new Error('the OCI runtime closed its console socket without handing a terminal over');
  }
  return control.readInt32LE(HEADER_SIZE);
}

function bind(): Receive {
  const part = koffi.struct({ base: 'void *', length: 'size_t' });
  const header = koffi.struct({
    name: 'void *',
    nameLength: 'uint32_t',
    parts: koffi.pointer(part),
    count: 'size_t',
    control: 'void *',
    controlLength: 'size_t',
    flags: 'int',
  });
  return koffi
    .load(null)
    .func('recvmsg', 'long', ['int', koffi.inout(koffi.pointer(header)), 'int']) as Receive;
}
