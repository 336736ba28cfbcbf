import { EngineError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../http/json-body.ts';
import { readObject } from './fields.ts';
import { isEmpty } from './unsupported.ts';

/** What NetworkMode of a create body means: `default` and '' are `bridge`, as inspect shows it. */
export function decodeNetworkMode(mode: string): string {
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

/**
 * Checks NetworkingConfig: the CLI names the network of NetworkMode there too, with empty settings. Throws
 * EngineError 'not-found' for a further network, which this host does not have, and 'not-implemented' for settings
 * such as a fixed address.
 */
export function checkNetworkingConfig(body: JsonObject, networkMode: string): void {
  const networking = readObject(body, 'NetworkingConfig', '');
  const endpoints = readObject(networking, 'EndpointsConfig', 'NetworkingConfig.');
  for (const [network, settings] of Object.entries(endpoints)) {
    if (![networkMode, 'default', 'bridge', 'host', 'none'].includes(network)) {
      throw new EngineError('not-found', `network ${network.slice(0, 200)} not found`);
    }
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
