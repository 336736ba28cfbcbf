import type { HostReading } from './host-reading.ts';
import { PROGRAMS } from './programs.ts';

const NAMESPACES = ['mnt', 'pid', 'net', 'ipc', 'uts'];
const CONTROLLERS = {
  1: ['memory', 'cpu', 'cpuset', 'pids', 'devices', 'freezer'],
  2: ['memory', 'cpu', 'pids'],
};
/** File systems on which overlay cannot write, or loses owners and links. */
const UNFIT = new Set(['overlay', 'nfs', 'cifs', 'smb', 'vfat', 'exfat', 'fuse', '9p']);
/** Minimum free bytes: even small images need some, and a full disk also stops containers. */
const LITTLE_ROOM = 1 << 30;
/** Minimum free inodes: a small image has thousands of files, but only if layers are unpacked. */
const FEW_INODES = 10_000;

/** Evaluates a reading, each part of the host once, in the order in which one would fix it. */
export function examineHost(host: HostReading): readonly Finding[] {
  if (host.platform !== 'linux') {
    return [
      { part: 'kernel', grade: 'lacking', message: `this is ${host.platform}, and containers need Linux` },
    ];
  }
  return [
    examineUser(host),
    examineKernel(host),
    ...examinePrograms(host),
    examineSeccomp(host),
    examineApparmor(host),
    ...examineCgroups(host),
    ...examineDataFolder(host),
    ...examineTrials(host),
    examineAgent(host),
  ];
}

function examineUser({ root }: HostReading): Finding {
  if (root) return { part: 'user', grade: 'good', message: 'this is root' };
  return {
    part: 'user',
    grade: 'lacking',
    message: 'the agent needs root, for mounts and namespaces, so the following was only read, not tried',
    remedy: 'sudo npx berth-agent doctor',
  };
}

function examineKernel({ kernel, namespaces, fileSystems }: HostReading): Finding {
  const part = 'kernel';
  const missing = NAMESPACES.filter((name) => !namespaces.has(name));
  if (missing.length > 0) {
    const message = `Linux ${kernel} has no namespaces of the kinds ${missing.join(', ')}`;
    return { part, grade: 'lacking', message, remedy: 'boot the kernel of your distribution' };
  }
  if (!fileSystems.has('overlay')) {
    const message = `Linux ${kernel} has no overlay file system`;
    return { part, grade: 'lacking', message, remedy: 'modprobe overlay' };
  }
  return { part, grade: 'good', message: `Linux ${kernel} has the namespaces and the overlay file system` };
}

function examinePrograms({ programs }: HostReading): readonly Finding[] {
  const missing = PROGRAMS.filter(({ name }) => !programs.has(name)).map(
    ({ name, debianPackage, purpose, needed }): Finding => ({
      part: name,
      grade: needed ? 'lacking' : 'poorer',
      message: `${name} is not installed: ${purpose}`,
      remedy: `apt-get install ${debianPackage}`,
    }),
  );
  if (!programs.has('crun') && !programs.has('runc')) {
    const message = 'neither crun nor runc is installed: one of them runs the containers';
    missing.push({ part: 'runtime', grade: 'lacking', message, remedy: 'apt-get install crun' });
  }
  if (missing.length > 0) return missing;
  return [{ part: 'programs', grade: 'good', message: 'all programs are installed' }];
}

function examineSeccomp({ seccompFailure }: HostReading): Finding {
  if (seccompFailure === undefined) {
    return { part: 'seccomp', grade: 'good', message: 'the rules for system calls are there' };
  }
  const remedy = 'apt-get install golang-github-containers-common';
  return { part: 'seccomp', grade: 'lacking', message: seccompFailure, remedy };
}

function examineApparmor({ apparmor }: HostReading): Finding {
  const part = 'apparmor';
  if (apparmor === 'on') return { part, grade: 'good', message: 'containers are confined by AppArmor' };
  if (apparmor === 'off') return { part, grade: 'good', message: 'this host has no AppArmor, or it is off' };
  return {
    part,
    grade: 'poorer',
    message: 'AppArmor is on, but containers are not confined by it: apparmor_parser is not installed',
    remedy: 'apt-get install apparmor; systemctl restart berth-agent',
  };
}

function examineCgroups({ cgroups }: HostReading): readonly Finding[] {
  const part = 'cgroups';
  if (cgroups.version === 'none') {
    const message = 'no control groups are mounted on /sys/fs/cgroup';
    return [{ part, grade: 'lacking', message, remedy: 'mount -t cgroup2 none /sys/fs/cgroup' }];
  }
  const missing = CONTROLLERS[cgroups.version].filter((name) => !cgroups.controllers.has(name));
  const findings: Finding[] = [];
  if (missing.includes('memory')) {
    findings.push({
      part,
      grade: 'lacking',
      message: `version ${cgroups.version} has no memory controller, so no container can be given a limit`,
      remedy: 'add cgroup_enable=memory to the command line of the kernel and reboot',
    });
  }
  const others = missing.filter((name) => name !== 'memory');
  if (others.length > 0) {
    findings.push({
      part,
      grade: 'poorer',
      message: `version ${cgroups.version} lacks ${others.join(', ')}, and limits of that kind fail`,
      remedy: 'see systemd.resource-control(5) on delegated controllers, or boot with these enabled',
    });
  }
  if (!cgroups.swapLimit) {
    findings.push({
      part,
      grade: 'poorer',
      message: 'swap is not counted, so --memory-swap has no effect',
      remedy: 'add swapaccount=1 to the command line of the kernel and reboot',
    });
  }
  if (findings.length > 0) return findings;
  return [{ part, grade: 'good', message: `version ${cgroups.version} has all controllers` }];
}

function examineDataFolder({ data }: HostReading): readonly Finding[] {
  const part = 'data';
  if (UNFIT.has(data.fileSystem)) {
    const message = `${data.path} is on ${data.fileSystem}, on which overlay cannot write`;
    const remedy = 'choose a folder on ext4, xfs or btrfs with --data';
    return [{ part, grade: 'lacking', message, remedy }];
  }
  const gigabytes = (data.free / 1e9).toFixed(1);
  if (data.free < LITTLE_ROOM || (data.inodesFree > 0 && data.inodesFree < FEW_INODES)) {
    const what = data.free < LITTLE_ROOM ? `${gigabytes} GB` : `room for ${data.inodesFree} files`;
    const message = `${data.path} has only ${what} left`;
    return [{ part, grade: 'poorer', message, remedy: 'docker image prune, or another disk with --data' }];
  }
  return [
    { part, grade: 'good', message: `${data.path} is on ${data.fileSystem} with ${gigabytes} GB free` },
  ];
}

function examineTrials({ trials, programs }: HostReading): readonly Finding[] {
  if (trials === undefined) return [];
  const { runtime, layers, packetFilter } = trials;
  const findings: Finding[] = [];
  if ('name' in runtime) {
    const slower = runtime.name === 'runc';
    findings.push({
      part: 'runtime',
      grade: slower ? 'poorer' : 'good',
      message: `${runtime.name} ${runtime.version} has run a container${slower ? '; crun starts them three times as fast' : ''}`,
      ...(slower && !programs.has('crun') && { remedy: 'apt-get install crun' }),
    });
  } else findings.push({ part: 'runtime', grade: 'lacking', message: runtime.failure });
  findings.push(
    layers.how === 'file'
      ? { part: 'layers', grade: 'good', message: 'layers are mounted as EROFS, not unpacked' }
      : {
          part: 'layers',
          grade: 'poorer',
          message: layers.fallbackReason ?? 'layers are unpacked',
          remedy: 'Linux 6.12 or later',
        },
  );
  if ('failure' in packetFilter) {
    findings.push({
      part: 'network',
      grade: 'lacking',
      message: `the packet filter cannot be used (${packetFilter.failure})`,
      remedy: 'apt-get install nftables; modprobe nf_tables nft_chain_nat nft_masq',
    });
  } else if (packetFilter.droppingChains.length > 0) {
    findings.push({
      part: 'network',
      grade: 'poorer',
      message: `${packetFilter.droppingChains.join(', ')} drops forwarded packets: containers reach nothing beyond this host`,
      remedy:
        'let the other firewall accept the bridges: iptables -I FORWARD -i berth0 -j ACCEPT; iptables -I FORWARD -o berth0 -j ACCEPT',
    });
  } else
    findings.push({
      part: 'network',
      grade: 'good',
      message: 'the packet filter takes tables and drops nothing',
    });
  return findings;
}

function examineAgent({ agent, socket }: HostReading): Finding {
  if (agent === 'answers') return { part: 'agent', grade: 'good', message: `an agent answers on ${socket}` };
  if (agent === 'refused') {
    const message = `this user may not use ${socket}`;
    return { part: 'agent', grade: 'poorer', message, remedy: 'see --socket-group, or use sudo' };
  }
  const message = `no agent answers on ${socket}`;
  return {
    part: 'agent',
    grade: 'poorer',
    message,
    remedy: 'berth-agent serve, or systemctl start berth-agent',
  };
}

/** The result about one part of the host. */
export interface Finding {
  /** `kernel`, `conmon`, `cgroups` … */
  readonly part: string;
  /** `lacking`: the agent cannot run containers; `poorer`: it can, but some parts are slower or missing. */
  readonly grade: 'good' | 'poorer' | 'lacking';
  /** A clause without its full stop. */
  readonly message: string;
  /** The command that fixes it, or advice without one. */
  readonly remedy?: string;
}

const MARKS = { good: 'ok  ', poorer: 'note', lacking: 'LACK' } as const;

/** Formats the findings as lines for a terminal, with a conclusion at the end. */
export function printFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ part }) => part.length));
  const lines = findings.flatMap(({ part, grade, message, remedy }) => [
    `${MARKS[grade]}  ${part.padEnd(width)}  ${message}`,
    ...(remedy === undefined ? [] : [`      ${' '.repeat(width)}  -> ${remedy}`]),
  ]);
  const lacking = findings.filter(({ grade }) => grade === 'lacking').length;
  const end =
    lacking === 0
      ? 'The agent can run on this host.'
      : `The agent cannot run containers on this host before ${lacking === 1 ? 'that' : `these ${lacking} things`} marked LACK ${lacking === 1 ? 'is' : 'are'} mended.`;
  return `${lines.join('\n')}\n\n${end}\n`;
}
