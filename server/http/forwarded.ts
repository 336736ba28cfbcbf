import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { TrustedProxies } from './trusted-proxies.ts';

/** Where a request came from and what its client called this server, as far as that can be believed. */
export interface RequestOrigin {
  readonly protocol: 'http' | 'https';
  /** Host and port as the client wrote them; '' when it named none. */
  readonly host: string;
  /** The client's address; undefined when the connection is gone. */
  readonly remote: string | undefined;
}

/**
 * The origin of a request. Only a trusted proxy is believed: then `Forwarded` (RFC 7239) counts, else
 * `X-Forwarded-Proto` and `X-Forwarded-Host`, the first element of each, which the outermost proxy wrote. The
 * client is the last address of `X-Forwarded-For` that is no trusted proxy: those before it anybody can make up. Where all
 * are trusted it is the first, the one that is furthest away.
 */
export function requestOrigin(req: IncomingMessage, trusted: TrustedProxies): RequestOrigin {
  const peer = req.socket.remoteAddress;
  const direct: RequestOrigin = {
    protocol: 'encrypted' in req.socket ? 'https' : 'http',
    host: req.headers.host ?? '',
    remote: peer,
  };
  if (!trusted.includes(peer)) return direct;
  const [forwarded] = parseForwarded(textOf(req, 'forwarded'));
  const protocol = (forwarded?.proto || firstOf(textOf(req, 'x-forwarded-proto'))).toLowerCase();
  const host = forwarded?.host ?? firstOf(textOf(req, 'x-forwarded-host'));
  return {
    protocol: protocol === 'https' || protocol === 'http' ? protocol : direct.protocol,
    host: isHost(host) ? host : direct.host,
    remote: remoteOf(req, trusted) ?? peer,
  };
}

/** The elements of a Forwarded header, parameter names in lower case; what does not parse is left out. */
export function parseForwarded(header: string): readonly Readonly<Record<string, string>>[] {
  const elements: Record<string, string>[] = [];
  for (const element of splitOutsideQuotes(header, ',')) {
    const parameters: Record<string, string> = Object.create(null);
    for (const pair of splitOutsideQuotes(element, ';')) {
      const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*$/.exec(pair);
      if (match === null) continue;
      const [, name = '', quoted, plain = ''] = match;
      parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
    }
    elements.push(parameters);
  }
  return elements;
}

function remoteOf(req: IncomingMessage, trusted: TrustedProxies): string | undefined {
  const addresses = textOf(req, 'x-forwarded-for')
    .split(',')
    .map((text) => addressOf(text.trim()));
  // From the nearest on; one that cannot be read ends what is known.
  let furthest: string | undefined;
  for (const address of addresses.reverse()) {
    if (address === undefined) break;
    furthest = address;
    if (!trusted.includes(address)) break;
  }
  return furthest;
}

/** Some proxies write a port as well. */
function addressOf(text: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  return isIP(address) === 0 ? undefined : address;
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): readonly string[] {
  const parts: string[] = [];
  let part = '';
  let quoted = false;
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position] ?? '';
    if (quoted && character === '\\') {
      part += character + (text[position + 1] ?? '');
      position += 1;
      continue;
    }
    if (character === '"') quoted = !quoted;
    if (!quoted && character === separator) {
      parts.push(part);
      part = '';
    } else part += character;
  }
  parts.push(part);
  return parts;
}

/** Whether a text may stand in a URL between `://` and the path. */
export function isHost(text: string): boolean {
  const isHostShaped = /^(?:[0-9A-Za-z._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(text);
  // Names such as `.0` are read as numbers, which they are not.
  return isHostShaped && URL.canParse(`http://${text}`);
}

function firstOf(list: string): string {
  return list.split(',')[0]?.trim() ?? '';
}

function textOf({ headers }: IncomingMessage, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(',') : value) ?? '';
}
