/** Error numbers of Linux (asm-generic), as far as the agent tells them apart. */
export const ERRNO = {
  EINTR: 4,
  ESRCH: 3,
  EAGAIN: 11,
  ENOENT: 2,
  ENOTDIR: 20,
  ELOOP: 40,
  EPIPE: 32,
} as const;
