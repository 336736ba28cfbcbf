/** The stream is no tar that this agent can keep; the message says why, and at which byte. */
export class TarFormatError extends Error {
  override readonly name = 'TarFormatError';
}

/** A path or name of a tar, each character one byte, for a message. */
export function quoteName(text: string): string {
  return JSON.stringify(Buffer.from(text, 'latin1').toString('utf8').slice(0, 200));
}
