/** Error numbers of Linux (asm-generic) that the programs distinguish. */
export const ERRNO = {
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EXDEV: 18,
  ENOTDIR: 20,
  ELOOP: 40,
} as const;
