import { isIP } from 'node:net';

/**
 * Reports whether a host means this machine: the name `localhost`, or an address of the loopback network in the form of a
 * URL, with brackets, or of a socket.
 */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=127\.)/, '');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
