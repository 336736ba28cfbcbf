#!/bin/sh
# Sets up what `npm start` (prepare.sh start), `npm test` (prepare.sh test) and `npm run package` (prepare.sh package)
# need, and nothing twice:
# node_modules when the lock file changed, and, as root on Debian, the packages that are missing. For an image of
# the registry (prepare.sh image) node_modules alone, without what only development needs.
set -eu
root=$(dirname "$(dirname "$(readlink -f "$0")")")
purpose=${1:-start}

say() { printf 'prepare: %s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

command -v node >/dev/null 2>&1 || fail "Node.js is missing; install it, for example: apt-get install nodejs npm"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "Node.js $major is too old to set Berth up; version 20 or later is needed"

# The pinned Node comes by an optional dependency, so the lock file decides about it too.
omit=""
[ "$purpose" = image ] && omit=--omit=dev
lock="$(cksum <"$root/package-lock.json")$omit"
installed="$root/node_modules/.berth-lock"
if [ "$(cat "$installed" 2>/dev/null || true)" != "$lock" ]; then
  say "installing the npm packages of package-lock.json"
  log=$(mktemp)
  # shellcheck disable=SC2086 # nothing when it is empty
  (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error $omit) >"$log" 2>&1 || {
    cat "$log" >&2
    rm -f "$log"
    fail "npm ci failed; its output is above"
  }
  rm -f "$log"
  for program in berth:server/cli/berth berth-agent:runtime-agent/cli/berth-agent; do
    ln -sfn "../../${program#*:}" "$root/node_modules/.bin/${program%%:*}"
  done
  # npm 9, which Debian 13 has, leaves this link out.
  for architecture in x64 arm64; do
    pinned="node-linux-$architecture/bin/node"
    if [ -x "$root/node_modules/$pinned" ]; then ln -sfn "../$pinned" "$root/node_modules/.bin/node"; fi
  done
  printf '%s' "$lock" >"$installed"
fi

agent_packages="bzip2 crun conmon isal golang-github-containers-common nftables procps tini util-linux xz-utils zstd"
test_packages="runc containerd docker.io docker-cli docker-buildx docker-registry podman skopeo umoci oras cosign buildah netavark aardvark-dns
  docker-compose nginx haproxy caddy openssl systemd chromium busybox-static attr libcap2-bin postgresql wrk iproute2 git
  debootstrap radosgw ceph-mon ceph-osd python3-docker python3-swift protobuf-compiler libprotobuf-dev tinyproxy
  openssh-client dropbear-bin apparmor libfaketime prometheus"

package_packages="binutils-x86-64-linux-gnu binutils-aarch64-linux-gnu xz-utils"

packages=""
if [ "$(uname -s)" = Linux ]; then
  case "$purpose" in
    image) ;;
    package) packages=$package_packages ;;
    test) packages="$agent_packages $test_packages $package_packages" ;;
    *) packages=$agent_packages ;;
  esac
fi
missing=""
if [ -n "$packages" ] && command -v dpkg-query >/dev/null 2>&1; then
  for package in $packages; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
  done
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  say "not root, so these Debian packages were not installed (the agent needs them):$missing"
  exit 0
fi
say "installing the Debian packages$missing"
log=$(mktemp)

# Packages such as nginx and postgresql start a service that nobody here asked for, unless the machine's policy says no
# (invoke-rc.d(8)). One that the machine has decides as it did; what a killed run has left is not the machine's.
policy=/usr/sbin/policy-rc.d
mark="# Of deploy/prepare.sh while it installs packages, process"
is_marked() { grep -q "^$mark $1" "$policy" 2>/dev/null; }
clean_up() {
  if is_marked "$$\$"; then rm -f "$policy"; fi
  rm -f "$log"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if [ ! -e "$policy" ] || is_marked ""; then
  printf '#!/bin/sh\n%s %s\nexit 101\n' "$mark" "$$" >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the list is meant to be split
{ apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 || {
  tail -n 40 "$log" >&2
  fail "apt-get install failed; the end of its output is above"
}
