import type { EndpointSettings, PortBindings } from './network.ts';

/** A container, as networks see it; the fields have the names of the Engine API. */
export interface NetworkedContainer {
  /** 64 lower-case hex digits. */
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly config: {
    readonly Hostname: string;
    readonly Domainname: string;
    readonly ExposedPorts?: Readonly<Record<string, object>>;
  };
  readonly hostConfig: {
    readonly NetworkMode: string;
    readonly PortBindings: PortBindings;
    readonly PublishAllPorts: boolean;
    readonly Dns: readonly string[];
    readonly DnsOptions: readonly string[];
    readonly DnsSearch: readonly string[];
    readonly ExtraHosts: readonly string[];
  };
  /** The networks that it is in whenever it runs, by name. */
  readonly networks: Readonly<Record<string, EndpointSettings>>;
}
