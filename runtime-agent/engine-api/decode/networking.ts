import { EngineError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readObject } from './fields.ts';
import { isEmpty } from './unsupported.ts';

/**
 * What NetworkMode of a create body means. `default` and '' are `bridge`, as inspect shows it. Throws
 * EngineError 'not-implemented' for the host's or another container's network, 'not-found' for a network that
 * this host does not have.
 */
export function decodeNetworkMode(mode: string): string {
  if (mode === '' || mode === 'default' || mode === 'bridge') return 'bridge';
  if (mode === 'none') return 'none';
  if (mode === 'host' || mode.startsWith('container:')) {
    throw new EngineError(
      'not-implemented',
      `the network mode ${mode.slice(0, 80)} (--network) is not supported yet by berth-agent: use none or the default`,
    );
  }
  throw new EngineError('not-found', `network ${mode.slice(0, 200)} not found`);
}

/**
 * Checks NetworkingConfig: the CLI names the network of NetworkMode there too, with empty settings. Throws
 * EngineError as decodeNetworkMode does, and 'not-implemented' for settings such as a fixed address.
 */
export function checkNetworkingConfig(body: JsonObject): void {
  const networking = readObject(body, 'NetworkingConfig', '');
  const endpoints = readObject(networking, 'EndpointsConfig', 'NetworkingConfig.');
  for (const [network, settings] of Object.entries(endpoints)) {
    decodeNetworkMode(network);
    if (settings === null) continue;
    const at = `NetworkingConfig.EndpointsConfig.${network}`;
    if (!isJsonObject(settings)) throw new EngineError('bad-request', `${at} must be an object`);
    const asked = Object.entries(settings).find(([, value]) => !isEmpty(value));
    if (asked !== undefined) {
      throw new EngineError(
        'not-implemented',
        `a setting of a network endpoint is not supported yet by berth-agent: leave ${at}.${asked[0]} unset`,
      );
    }
  }
}
