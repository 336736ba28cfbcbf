import type { PinnedImage, ServiceSpec } from '../../fleet/service.ts';
import type { AppTarget, ServiceTarget } from '../../fleet/target.ts';

/** A service with nothing but an image; `changes` win. */
export function serviceSpec(name: string, changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name,
    image: `team/${name}:main`,
    environment: {},
    labels: {},
    tty: false,
    stdinOpen: false,
    init: false,
    readOnly: false,
    ports: [],
    mounts: [],
    tmpfs: [],
    secrets: [],
    configs: [],
    networks: [{ network: 'default', aliases: [] }],
    extraHosts: [],
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    dependsOn: [],
    restart: { name: 'no', maximumRetryCount: 0 },
    stopGracePeriod: 10_000,
    resources: { memory: 0, memoryReservation: 0, nanoCpus: 0, pids: 0 },
    capAdd: [],
    capDrop: [],
    securityOpt: [],
    groupAdd: [],
    sysctls: {},
    ulimits: [],
    devices: [],
    privileged: false,
    constraints: [],
    update: { delay: 0, order: 'start-first', failureAction: 'rollback', monitor: 5000, maxFailureRatio: 0 },
    ...changes,
  };
}

/** A service on a host. Its hash is `NAME@VERSION` unless given. */
export function serviceTarget(
  spec: ServiceSpec,
  image: PinnedImage,
  changes: Partial<ServiceTarget> = {},
): ServiceTarget {
  return { spec, image, instances: [1], job: false, hash: `${spec.name}@${image.digest}`, ...changes };
}

/** Release `number` of `team/shop` on a host. */
export function appTarget(
  number: number,
  services: readonly ServiceTarget[],
  changes: Partial<Omit<AppTarget, 'release'>> & { readonly release?: Partial<AppTarget['release']> } = {},
): AppTarget {
  const { release, ...rest } = changes;
  return {
    app: 'team/shop',
    attempt: 1,
    timeout: 60_000,
    prefetch: [],
    keep: [],
    ...rest,
    release: {
      number,
      services,
      volumes: [],
      networks: [{ name: 'default', internal: false, labels: {} }],
      configs: [],
      secrets: [],
      ...release,
    },
  };
}
