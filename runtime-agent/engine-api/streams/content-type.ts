/** The Content-Type of attach and logs: raw bytes of a terminal, or frames of two streams. */
export function streamContentType(tty: boolean): string {
  return tty ? 'application/vnd.docker.raw-stream' : 'application/vnd.docker.multiplexed-stream';
}
