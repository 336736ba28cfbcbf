import { EngineError } from '../../errors.ts';

/** A name that a container has for another one. */
export interface ContainerLink {
  /** The other container, by a name or an ID. */
  readonly target: string;
  readonly alias: string;
}

/**
 * Parses `NAME:ALIAS` or `NAME:/ALIAS`, or `NAME` for both; also `/NAME:/PARENT/ALIAS`, as inspect shows it and clients
 * send it back. Throws EngineError 'bad-request'.
 */
export function parseLink(text: string): ContainerLink {
  if (text === '') throw new EngineError('bad-request', 'empty string specified for links');
  const [first = '', second = first, ...more] = text.split(':');
  const isShown = first.startsWith('/');
  const target = isShown ? first.slice(1) : first;
  const alias = isShown || second.startsWith('/') ? second.slice(second.lastIndexOf('/') + 1) : second;
  if (target === '' || alias === '' || more.length > 0 || /[\s\0]/.test(text)) {
    throw new EngineError('bad-request', `bad format for links: ${text.slice(0, 300)}`);
  }
  return { target, alias };
}
