/** One subnet of a network, in the form of the Engine API (IPAMConfig). */
export interface Subnet {
  /** `172.18.0.0/16` */
  readonly subnet: string;
  /** The part of the subnet from which containers get addresses. */
  readonly range?: string;
  /** The bridge's own address; absent if an IPv6 subnet was requested without one. */
  readonly gateway?: string;
  /** Reserved addresses, by names of their owners. */
  readonly auxiliary?: Readonly<Record<string, string>>;
}

/** A network of this host as stored, whether or not its bridge exists now. */
export interface Network {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly createdAt: string;
  readonly driver: 'bridge' | 'host' | 'null';
  /** Predefined by the agent: `bridge`, `host`, `none`. */
  readonly predefined: boolean;
  readonly enableIpv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** Null if the client sent nothing, which Go distinguishes from an empty map. */
  readonly ipamOptions: Readonly<Record<string, string>> | null;
  readonly subnets: readonly Subnet[];
  /** Whether a client chose the subnet, so that it may choose addresses as well. */
  readonly subnetChosen: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the bridge; '' for `host` and `none`. */
  readonly bridge: string;
}

/** A client's settings for a container in a network (EndpointSettings). */
export interface EndpointSettings {
  /** Null and empty are distinct, as inspect shows them. */
  readonly aliases: readonly string[] | null;
  /** `NAME:ALIAS`: names for other containers of the network that only this one has. */
  readonly links?: readonly string[];
  readonly ipam: { readonly IPv4Address?: string; readonly IPv6Address?: string } | null;
  /**
   * While it is set, names resolve to the container only for itself, or if no other container has them: see DnsPlace.
   */
  readonly isWaiting?: boolean;
  /** '' derives it from the address. */
  readonly mac: string;
  readonly driverOptions: Readonly<Record<string, string>> | null;
  /** The network's ID in the last run, which inspect still shows. */
  readonly lastNetwork?: string;
}

/** Defaults without settings from the client. */
export const DEFAULT_ENDPOINT: EndpointSettings = { aliases: null, ipam: null, mac: '', driverOptions: null };

/** A running container's place in a network. */
export interface ActiveEndpoint {
  readonly network: { readonly id: string; readonly name: string };
  readonly endpointId: string;
  /** The bridge's end of the pair, in the host's namespace. */
  readonly link: string;
  /** The container's end: `eth0`. */
  readonly interface: string;
  readonly mac: string;
  /** With the prefix length of the subnet: `172.18.0.2/16`. */
  readonly ipv4: string;
  readonly gateway4: string;
  /** '' without IPv6. */
  readonly ipv6: string;
  readonly gateway6: string;
}

/** A port of the host that is published for a port of a container. */
export interface PublishedPort {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** `0.0.0.0`, `::` or an address of the host. */
  readonly hostIp: string;
  readonly hostPort: number;
}

export type Protocol = 'tcp' | 'udp';

/** The network state of a running container; it is stored with the run and removed with it. */
export interface ActiveNetwork {
  readonly endpoints: readonly ActiveEndpoint[];
  readonly ports: readonly PublishedPort[];
}

/** HostConfig.PortBindings: by `80/tcp`. */
export type PortBindings = Readonly<
  Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>
>;
