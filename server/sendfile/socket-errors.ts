const EINTR = 4;
const EAGAIN = 11;

/** Whether a call that failed with this error number on a descriptor that does not block is to be made again later. */
export function mayPass(errno: number): boolean {
  return errno === EAGAIN || errno === EINTR;
}
