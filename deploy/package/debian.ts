import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { completionScript } from '../../lib/terminal/completion.ts';
import type { Architecture } from './locked-packages.ts';
import { type Manual, manPage } from './manual.ts';
import type { Program } from './program-tree.ts';

const run = promisify(execFile);

/** Compression of dpkg-deb: `none` is for tests, which cannot wait a minute. */
export type Compression = 'xz' | 'none';

export interface DebianOptions {
  /** The folder of package.json. */
  readonly root: string;
  readonly program: Program;
  readonly version: string;
  readonly architecture: Architecture;
  readonly manual: Manual;
  readonly compression: Compression;
  /** When the sources were committed; seconds since 1970. */
  readonly epoch: number;
}

/** Tags of lintian(1) that are meant to be. */
const LINTIAN_OVERRIDES = (program: Program) => `# Node.js is inside: Debian's may be of another version.
${program}: embedded-library *[usr/lib/${program}/node]
${program}: hardening-no-pie [usr/lib/${program}/node]
# Settings hold passwords.
${program}: non-standard-file-perm 0600 != 0644 [etc/berth/${SETTINGS_FILES[program]}]
`;

const SETTINGS_FILES: Readonly<Record<Program, string>> = { berth: 'berth.env', 'berth-agent': 'agent.env' };

/** Dependencies of Node beyond every Debian system. */
const NODE_NEEDS = ['libatomic1', 'libc6 (>= 2.36)', 'libgcc-s1', 'libstdc++6'];

const ABOUT: Readonly<Record<Program, { readonly depends: readonly string[]; readonly control: string }>> = {
  berth: {
    depends: ['ca-certificates', 'systemd | systemd-standalone-sysusers'],
    control: `Suggests: postgresql, berth-agent
Description: private OCI registry for a team
 Docker, podman, containerd, skopeo, oras, helm and cosign push images to it
 and pull them. It keeps them in a folder or on S3, has users, teams and
 tokens, and brings apps to the hosts that have joined it.
`,
  },
  'berth-agent': {
    depends: [
      ...['bzip2', 'ca-certificates', 'conmon', 'crun | runc', 'golang-github-containers-common', 'isal'],
      ...['nftables', 'procps', 'tini', 'xz-utils', 'zstd'],
    ],
    control: `Recommends: docker-cli, docker-buildx, docker-compose, haproxy
Description: Docker Engine API for containers on this host
 The docker command and docker compose drive it. It pulls, builds and runs
 images, mounts their layers instead of unpacking them, and runs the apps of
 the registry that the host has joined.
`,
  },
};

/**
 * Makes `berth_VERSION_ARCHITECTURE.deb` of a program's tree, which it takes: the tree is at /usr/lib/PROGRAM then. Returns the file.
 * `work` is an empty folder, and `output` the one for the file.
 */
export async function makeDebianPackage(
  tree: string,
  work: string,
  output: string,
  options: DebianOptions,
): Promise<string> {
  const { architecture, compression, epoch, program, version } = options;
  const within = (...parts: readonly string[]) => join(work, ...parts);
  await mkdir(within('DEBIAN'), { recursive: true });
  await mkdir(within('usr/lib'), { recursive: true });
  await rename(tree, within('usr/lib', program));
  await write(within('usr/bin', program), launcher(program), 0o755);
  await writeDocuments(within, options);
  await writeUnits(within, options);
  await writeScripts(within, options);
  await normalizeModes(within('usr'));
  await write(within('DEBIAN/control'), await control(work, options));
  await write(within('DEBIAN/md5sums'), await checksums(work));
  const file = join(output, `${program}_${version}_${architecture}.deb`);
  await run('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', work, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  });
  return file;
}

type Within = (...parts: readonly string[]) => string;

/** Also works where dpkg-deb(1) has extracted the package, for `berth upgrade --check` of a new version. */
function launcher(program: Program): string {
  const settings = `/etc/berth/${SETTINGS_FILES[program]}`;
  return `#!/bin/sh
case $0 in /usr/bin/*) lib=/usr/lib ;; *) lib=$(dirname "$(dirname "$(readlink -f "$0")")")/lib ;; esac
# Nothing is written to below /usr.
export NODE_COMPILE_CACHE="\${NODE_COMPILE_CACHE-/var/cache/${program}}"
# Commands of root work on the data that the settings of the service name.
if [ -r ${settings} ]; then set -- --env-file=${settings} "$lib/${program}/app/main.js" "$@"
else set -- "$lib/${program}/app/main.js" "$@"; fi
exec "$lib/${program}/node" "$@"
`;
}

async function control(work: string, { architecture, program, version }: DebianOptions): Promise<string> {
  const { control: more, depends } = ABOUT[program];
  return `Package: ${program}
Version: ${version}
Architecture: ${architecture}
Maintainer: The Berth developers <berth@berth.example>
Section: admin
Priority: optional
Installed-Size: ${Math.ceil((await sizeOf(join(work, 'usr'))) / 1024)}
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: ${[...depends, ...NODE_NEEDS].sort().join(', ')}
${more}`;
}

async function writeDocuments(within: Within, options: DebianOptions): Promise<void> {
  const { epoch, manual, program, root, version } = options;
  const docs = within('usr/share/doc', program);
  await mkdir(docs, { recursive: true });
  for (const name of ['README.md', 'SECURITY.md']) await cp(join(root, name), join(docs, name));
  await cp(join(root, 'docs'), join(docs, 'docs'), { recursive: true });
  await write(
    join(docs, 'copyright'),
    `Copyright 2026 The Berth developers

Berth is free software under the Apache License 2.0, which is in /usr/share/common-licenses/Apache-2.0.
The packages from npm that are inside, and Node.js, are named in /usr/lib/${program}/sbom.spdx.json; their licences
are in /usr/lib/${program}/LICENSES.txt.
`,
  );
  await write(within('usr/share/lintian/overrides', program), LINTIAN_OVERRIDES(program));
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  const changes = `${program} (${version}) unstable; urgency=medium\n\n  * Release ${version}.\n\n -- The Berth developers <berth@berth.example>  ${date}\n`;
  await write(join(docs, 'changelog.gz'), gzipSync(changes, { level: 9 }));
  await write(within('usr/share/man/man1', `${program}.1.gz`), gzipSync(manPage(manual), { level: 9 }));
  await write(within('usr/share/bash-completion/completions', program), completionScript('bash', manual));
  await write(within('usr/share/zsh/vendor-completions', `_${program}`), completionScript('zsh', manual));
  await write(
    within('usr/share/fish/vendor_completions.d', `${program}.fish`),
    completionScript('fish', manual),
  );
}

/** Writes the units of deploy/systemd, for a program in /usr. */
async function writeUnits(within: Within, { program, root }: DebianOptions): Promise<void> {
  const units = join(root, 'deploy/systemd');
  const own = (await readdir(units)).filter(
    (name) => (name.startsWith('berth-agent') ? 'berth-agent' : 'berth') === program,
  );
  for (const name of own) {
    const text = (await readFile(join(units, name), 'utf8'))
      .replace(/^#.*\n/gm, '')
      .replaceAll(/\/opt\/berth\/(?:server|runtime-agent)\/cli\/(berth(?:-agent)?)/g, '/usr/bin/$1')
      .replaceAll('file:///opt/berth/', `file:///usr/share/doc/${program}/`)
      .replace(/^EnvironmentFile=-\/etc\/berth\/berth\.env$/m, '$&\nEnvironmentFile=-/etc/berth/admin.env')
      .replace(/^StateDirectoryMode=.*$/m, `$&\nCacheDirectory=${program}\nCacheDirectoryMode=0700`);
    await write(within('usr/lib/systemd/system', name), text);
  }
  const settings = SETTINGS_FILES[program];
  const prefix = program === 'berth' ? 'BERTH' : 'BERTH_AGENT';
  const command = program === 'berth' ? 'berth serve' : 'berth-agent';
  await write(
    within('etc/berth', settings),
    `# Settings of ${program}: each option of "${command} --help" as a line ${prefix}_NAME=VALUE.
# Then: systemctl restart ${program}
`,
    0o600,
  );
  await write(within('DEBIAN/conffiles'), `/etc/berth/${settings}\n`);
  if (program === 'berth') {
    await write(within('usr/lib/sysusers.d/berth.conf'), 'u! berth - "Berth registry" /var/lib/berth\n');
  }
}

async function writeScripts(within: Within, { program }: DebianOptions): Promise<void> {
  const script = async (name: string, body: string) =>
    write(within('DEBIAN', name), `#!/bin/sh\nset -e\n${body}`, 0o755);
  await script('postinst', program === 'berth' ? REGISTRY_POSTINST : AGENT_POSTINST);
  await script(
    'prerm',
    `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${program}.service || true
${program === 'berth' ? '  deb-systemd-invoke stop berth-backup.timer berth-backup-verify.timer || true\n' : ''}fi
`,
  );
  await script(
    'postrm',
    `if [ -d /run/systemd/system ]; then systemctl --system daemon-reload || true; fi
if [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then deb-systemd-helper purge ${program}.service >/dev/null || true; fi
  rm -rf /var/cache/${program}
${program === 'berth' ? REGISTRY_PURGE : AGENT_PURGE}fi
`,
  );
}

const START = (program: Program) => `
if deb-systemd-helper unmask ${program}.service >/dev/null && deb-systemd-helper --quiet was-enabled ${program}.service; then
  deb-systemd-helper enable ${program}.service >/dev/null || true
else
  deb-systemd-helper update-state ${program}.service >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
  if [ -n "$2" ]; then action=try-restart; else action=start; fi
  deb-systemd-invoke $action ${program}.service || true
fi
`;

const REGISTRY_POSTINST = `if [ "$1" != configure ]; then exit 0; fi
systemd-sysusers berth.conf
install --directory --mode=0700 --owner=berth --group=berth /var/backups/berth
# The first start makes the account of the administrator; data that are here have one.
if [ -z "$2" ] && [ ! -e /etc/berth/admin.env ] && [ -z "$(ls -A /var/lib/berth 2>/dev/null)" ]; then
  (umask 077; printf 'BERTH_ADMIN_PASSWORD=%s\\n' "$(head -c 18 /dev/urandom | base64)" >/etc/berth/admin.env)
fi
${START('berth')}
if [ -z "$2" ]; then
  cat <<'END'
berth: the registry is at http://127.0.0.1:5000, and its data are in /var/lib/berth.
berth: log in with the password in /etc/berth/admin.env:
berth:   docker login --username admin 127.0.0.1:5000
berth: settings are in /etc/berth/berth.env; then: systemctl restart berth
END
fi
`;

const AGENT_POSTINST = `if [ "$1" != configure ]; then exit 0; fi
${START('berth-agent')}
if [ -z "$2" ]; then
  cat <<'END'
berth-agent: it answers the docker command at /run/berth-agent.sock:
berth-agent:   docker -H unix:///run/berth-agent.sock run --rm IMAGE
berth-agent: what this host lacks: berth-agent doctor
END
fi
`;

const REGISTRY_PURGE = `  rm -f /etc/berth/admin.env
  rmdir --ignore-fail-on-non-empty /etc/berth 2>/dev/null || true
  if [ "\${BERTH_PURGE_DATA:-}" = yes ]; then
    rm -rf /var/lib/berth /var/backups/berth
    exit 0
  fi
  rmdir /var/backups/berth 2>/dev/null || true
  if [ -n "$(ls -A /var/lib/berth 2>/dev/null)" ]; then
    echo "berth: the images in /var/lib/berth stay; delete that folder if you no longer want them."
  fi
`;

const AGENT_PURGE = `  rmdir --ignore-fail-on-non-empty /etc/berth 2>/dev/null || true
  if [ "\${BERTH_PURGE_DATA:-}" = yes ]; then
    rm -rf /var/lib/berth-agent
  elif [ -n "$(ls -A /var/lib/berth-agent 2>/dev/null)" ]; then
    echo "berth-agent: images and volumes in /var/lib/berth-agent stay; delete that folder if you no longer want them."
  fi
`;

async function write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
}

/** Modes must not depend on the umask of the build. */
async function normalizeModes(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await normalizeModes(path);
    else if (entry.isFile()) await chmod(path, ((await lstat(path)).mode & 0o111) === 0 ? 0o644 : 0o755);
  }
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function sizeOf(folder: string): Promise<number> {
  let size = 0;
  for (const file of await filesIn(folder)) size += (await lstat(file)).size;
  return size;
}

async function checksums(work: string): Promise<string> {
  const files = (await filesIn(join(work, 'usr'))).map((file) => file.slice(work.length + 1));
  const { stdout } = await run('md5sum', files, { cwd: work, maxBuffer: 16 << 20 });
  return stdout;
}
