/**
 * Berth's support of a key. `supported`: it has the meaning of the Compose specification on each host; `text` states
 * the differences in a fleet. `ignored`: it has no effect there. `refused`: `text` is the error.
 */
export interface KeySupport {
  readonly support: 'supported' | 'ignored' | 'refused';
  readonly text: string;
}

export type KeyTable = ReadonlyMap<string, KeySupport>;

function keyTable(
  supported: Readonly<Record<string, string>>,
  refused: Readonly<Record<string, string>> = {},
  ignored: Readonly<Record<string, string>> = {},
): KeyTable {
  const rows = (support: KeySupport['support'], keys: Readonly<Record<string, string>>) =>
    Object.entries(keys).map(([key, text]) => [key, { support, text }] as const);
  return new Map([...rows('supported', supported), ...rows('ignored', ignored), ...rows('refused', refused)]);
}

export const NO_BUILD = 'Berth runs images from the registry: push an image, and name it by image';
const NOT_SUPPORTED = 'Berth does not support this key: remove it';
const TWO_AT_ONCE =
  'the old and the new instance run at the same time during an update, so neither can have this exclusively';

const AT_ONCE = 'all hosts return to the previous release at once';

/** Every key of the Compose specification, by location; docs/reference/compose.md is generated from these tables. */
export const KEYS = {
  root: keyTable(
    {
      services: 'at most 100',
      networks: 'a network of each host, not between hosts',
      volumes: 'a volume of each host; instances stay on the host where their volume is',
      secrets: 'names only: `berth secret set` sets the values',
      configs: 'content is a part of the release',
    },
    {
      include: 'Berth reads one file: merge the files by `docker compose config`, and deploy its output',
      models: NOT_SUPPORTED,
    },
    { name: 'the app is named by `berth deploy`', version: 'obsolete in Compose as well' },
  ),
  service: keyTable(
    {
      image:
        'pinned to a digest when the release is made; an image of another registry must be named by digest',
      platform: 'hosts of another platform are left out',
      command: 'a list, or a string that is split into words; no shell runs it',
      entrypoint: 'as `command`',
      environment: 'keys without a value are taken from the environment of `berth deploy`',
      env_file: 'read by `berth deploy`',
      labels: '`berth.route.*` are routes; `io.berth.*` and `com.docker.compose.*` are reserved',
      label_file: 'read by `berth deploy`',
      container_name:
        'a name by which services of its networks find it; hosts name the containers themselves',
      links: 'order of starting, as `depends_on`; an alias is refused',
      user: '',
      working_dir: '',
      hostname: '',
      domainname: '',
      tty: '',
      stdin_open: '',
      init: '',
      read_only: '',
      ports:
        'published on every host that runs an instance; two services of a host cannot publish the same port',
      volumes: 'volumes of the app, tmpfs; binds of absolute paths on hosts that allow `bind`',
      tmpfs: '',
      secrets: 'files in memory, `/run/secrets/NAME` with mode 0400',
      configs: '`/NAME` with mode 0444 unless `target` and `mode` say otherwise',
      networks: '',
      network_mode: '`host` on hosts that allow `host-network`, or `none`',
      extra_hosts: '',
      dns: '',
      dns_search: '',
      dns_opt: '',
      healthcheck:
        'decides when a new instance is healthy; without one a route is probed, or `monitor` passes',
      depends_on:
        '`service_completed_successfully` makes a job: it runs once per release, before all new instances',
      restart: '`always` unless given',
      stop_signal: '',
      stop_grace_period: '10s by default; at most an hour',
      mem_limit: '',
      mem_reservation: '',
      cpus: '',
      pids_limit: '',
      shm_size: '',
      ulimits: '',
      cap_add: 'on hosts that allow `privileged`, unless docker grants the capability to every container',
      cap_drop: '',
      security_opt: 'options that weaken the sandbox need a host that allows `privileged`',
      group_add: '',
      sysctls: '',
      devices: 'on hosts that allow `device`',
      privileged: 'on hosts that allow `privileged`',
      pid: '`host`, on hosts that allow `host-pid`',
      ipc: '`private` or `shareable`; `host` on hosts that allow `privileged`',
      logging: '',
      scale: 'as `deploy.replicas`',
      deploy: '',
      profiles: 'a service with profiles is left out unless `--profile` names one',
      pull_policy: '`always`, `missing` and `if_not_present`: each host pulls the digest of the release once',
      'x-berth': 'see below',
    },
    {
      extends: 'Berth reads one file: merge the files by `docker compose config`, and deploy its output',
      mac_address: `remove it: ${TWO_AT_ONCE}`,
      external_links: 'remove it: services of a network reach each other by name',
      volumes_from: 'name the volume in both services instead',
      annotations: NOT_SUPPORTED,
      blkio_config: NOT_SUPPORTED,
      cgroup: NOT_SUPPORTED,
      cgroup_parent: NOT_SUPPORTED,
      cpu_count: NOT_SUPPORTED,
      cpu_percent: NOT_SUPPORTED,
      cpu_shares: NOT_SUPPORTED,
      cpu_quota: 'use cpus instead',
      cpu_period: 'use cpus instead',
      cpu_rt_period: NOT_SUPPORTED,
      cpu_rt_runtime: NOT_SUPPORTED,
      cpuset: NOT_SUPPORTED,
      credential_spec: NOT_SUPPORTED,
      device_cgroup_rules: NOT_SUPPORTED,
      gpus: NOT_SUPPORTED,
      isolation: NOT_SUPPORTED,
      mem_swappiness: NOT_SUPPORTED,
      memswap_limit: NOT_SUPPORTED,
      models: NOT_SUPPORTED,
      oom_kill_disable: NOT_SUPPORTED,
      oom_score_adj: NOT_SUPPORTED,
      pre_start: 'use a service to which a depends_on refers with service_completed_successfully',
      post_start: NOT_SUPPORTED,
      pre_stop: NOT_SUPPORTED,
      provider: NOT_SUPPORTED,
      pull_refresh_after: NOT_SUPPORTED,
      runtime: NOT_SUPPORTED,
      storage_opt: NOT_SUPPORTED,
      use_api_socket: NOT_SUPPORTED,
      userns_mode: NOT_SUPPORTED,
      uts: NOT_SUPPORTED,
    },
    {
      build: '`docker compose build --push` makes the image; `build` without `image` is refused',
      attach: '`berth logs` shows the output of every service',
      develop: 'concerns `docker compose watch` alone',
      expose: 'services of a network reach all ports of each other',
    },
  ),
  port: keyTable(
    { target: '', published: 'one port, no range; the host chooses unless given', host_ip: '', protocol: '' },
    {},
    {
      mode: 'both modes publish on the hosts that run an instance',
      name: 'for people',
      app_protocol: 'for people',
    },
  ),
  mount: keyTable(
    {
      type: '`volume`, `bind`, `tmpfs`',
      source: '',
      target: '',
      read_only: '',
      volume: '',
      tmpfs: '',
      bind: '',
    },
    { image: NOT_SUPPORTED },
    { consistency: 'concerns only Docker Desktop' },
  ),
  'mount.volume': keyTable({ nocopy: '', subpath: '' }, { labels: NOT_SUPPORTED }),
  'mount.bind': keyTable(
    {},
    { propagation: NOT_SUPPORTED, recursive: NOT_SUPPORTED, selinux: NOT_SUPPORTED },
    { create_host_path: 'the path must exist on the host' },
  ),
  'mount.tmpfs': keyTable({ size: '', mode: '' }),
  file: keyTable({ source: '', target: '', uid: '', gid: '', mode: '' }),
  'service network': keyTable(
    { aliases: '' },
    {
      ipv4_address: `remove it: ${TWO_AT_ONCE}`,
      ipv6_address: `remove it: ${TWO_AT_ONCE}`,
      mac_address: `remove it: ${TWO_AT_ONCE}`,
      link_local_ips: NOT_SUPPORTED,
      driver_opts: NOT_SUPPORTED,
      interface_name: NOT_SUPPORTED,
      gw_priority: NOT_SUPPORTED,
      priority: NOT_SUPPORTED,
    },
  ),
  healthcheck: keyTable({
    test: '',
    interval: '',
    timeout: '',
    retries: '',
    start_period: '',
    start_interval: '',
    disable: '',
  }),
  dependency: keyTable(
    { condition: 'on the same host; `service_completed_successfully` on the whole fleet', required: '' },
    {},
    { restart: 'an update of one service does not restart another' },
  ),
  logging: keyTable({ driver: '', options: '' }),
  ulimit: keyTable({ soft: '', hard: '' }),
  device: keyTable({ source: '', target: '', permissions: '' }),
  deploy: keyTable(
    {
      mode: '`global`: one instance on each host, as without `replicas`; or `replicated`',
      replicas: 'total number of instances, spread over the hosts; without it, one on each host of the app',
      placement: '',
      update_config: '',
      rollback_config: '',
      resources: '',
      restart_policy: 'in place of `restart`',
    },
    { labels: 'put the labels on the service' },
    { endpoint_mode: 'each host routes to its own instances' },
  ),
  placement: keyTable(
    {
      constraints: '`node.labels.KEY == VALUE` or `!=`',
      max_replicas_per_node: 'maximum number of instances per host, if `replicas` is set',
    },
    {},
    { preferences: 'instances are always spread evenly over the hosts' },
  ),
  update_config: keyTable({
    parallelism: 'hosts per wave; 0 means all; by default one host, then a quarter, then the rest',
    delay: 'between two waves',
    order: '`start-first` unless given',
    failure_action: '`rollback` unless given; `pause`, `continue`',
    monitor: 'time without an exit after which an instance without health check and route is healthy; 5s',
    max_failure_ratio: 'fraction of the hosts of the app that may fail; 0 by default',
  }),
  rollback_config: keyTable(
    {},
    {},
    {
      parallelism: AT_ONCE,
      delay: AT_ONCE,
      failure_action: 'a failed rollback is not retried automatically',
      monitor: 'instances of a rollback are watched like those of an update',
      max_failure_ratio: 'a rollback fails with the first host',
      order: 'a rollback uses the order in `update_config` of the release that it goes back to',
    },
  ),
  resources: keyTable({ limits: '', reservations: '' }),
  limits: keyTable({ cpus: '', memory: '', pids: '' }),
  reservations: keyTable(
    { memory: '' },
    { devices: NOT_SUPPORTED, generic_resources: NOT_SUPPORTED },
    { cpus: 'hosts are not chosen by their load' },
  ),
  restart_policy: keyTable(
    { condition: '', max_attempts: '' },
    {},
    { delay: 'restarts back off automatically', window: 'restarts back off automatically' },
  ),
  network: keyTable(
    {
      driver: '`bridge` alone',
      external: 'an existing network of each host that belongs to no other app',
      name: 'with `external`; otherwise only the name that Compose would generate',
      internal: '',
      labels: '',
      driver_opts:
        '`com.docker.network.driver.mtu`, and of `com.docker.network.bridge`: `enable_icc`, `enable_ip_masquerade`, `host_binding_ipv4`',
      enable_ipv4: '`true` alone',
      enable_ipv6: '',
    },
    {},
    { attachable: 'concerns Swarm alone', ipam: 'only empty: hosts choose the addresses' },
  ),
  volume: keyTable(
    {
      driver: '`local` alone',
      external: 'an existing volume of the host that belongs to no other app',
      name: 'with `external`; otherwise only the name that Compose would generate',
      labels: '',
      'x-berth': '`exclusive: true`: the old instance stops before the new one starts',
    },
    { driver_opts: 'hosts mount nothing for a volume: mount it on the hosts, and bind its path' },
  ),
  secret: keyTable(
    {
      external: '`true`, or nothing at all',
      name: 'the name for `berth secret set`, if it differs',
    },
    {
      file: 'Berth does not read secrets from files of a Compose file: run `berth secret set APP NAME <file`, and write external: true',
      environment:
        'Berth does not read secrets from the environment: run `berth secret set APP NAME`, and write external: true',
      driver: NOT_SUPPORTED,
      driver_opts: NOT_SUPPORTED,
      template_driver: NOT_SUPPORTED,
    },
    { labels: 'for people' },
  ),
  config: keyTable(
    {
      content: '',
      file: 'read by `berth deploy`',
      environment: 'read by `berth deploy`',
      name: 'only the name that Compose would generate',
    },
    {
      external: 'a configuration is a part of the release: use content or file',
      template_driver: NOT_SUPPORTED,
    },
    { labels: 'for people' },
  ),
  'x-berth': keyTable({ route: 'HTTP or TCP that the ingress of each host leads to this service' }),
  'x-berth.route': keyTable({
    host: 'name of HTTP requests',
    path: 'prefix of their path; `/` by default',
    port: 'of the instance',
    health:
      'path that answers 2xx or 3xx when an instance is healthy; without it, the port accepts connections',
    tls: '`none`, `acme`, `files`, or `{secret: NAME}`; `none` unless given',
    listen: 'instead of `host`: TCP port of the host',
  }),
  'x-berth.route.tls': keyTable({ secret: 'a secret of the app with certificate and key as PEM' }),
  'volume x-berth': keyTable({
    exclusive: 'only one instance per host at a time has the volume; `false` by default',
  }),
} as const satisfies Readonly<Record<string, KeyTable>>;
