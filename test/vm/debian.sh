#!/bin/sh
# Runs agent and registry on a real Debian 13 in QEMU: systemd, cgroup v2, AppArmor and the distribution's kernel. Run it by
# hand, as root, before a release:
#
#   sh test/vm/debian.sh [FOLDER]
#
# It needs the packages qemu-system-x86, debootstrap and e2fsprogs, 6 GB in FOLDER (a folder in /var/tmp unless given), and
# about half an hour; KVM is not used. The system in FOLDER/root is kept for the next run. The machine boots three times, as
# inside.sh says. FOLDER/serial-N.log has the kernel's messages. The exit code is 0 when every check holds.
set -eu
project=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
folder=${1:-/var/tmp/berth-vm}
root=$folder/root
mkdir -p "$folder"

system="systemd,systemd-sysv,dbus,udev,kmod,iproute2,procps,apparmor,linux-image-amd64,initramfs-tools,ca-certificates,curl"
agent="bzip2 crun conmon isal golang-github-containers-common haproxy nftables tini util-linux xz-utils zstd"
test="docker-cli busybox-static openssl"
if [ ! -e "$root/.complete" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include="$system" trixie "$root"
  # shellcheck disable=SC2086 # words
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $agent $test
  chroot "$root" apt-get clean
  chroot "$root" useradd --system --no-create-home berth
  # Only the agent starts it.
  chroot "$root" systemctl disable haproxy
  : >"$root/.complete"
fi

rm -rf "$root/opt/berth" "$root/root/vm"
mkdir -p "$root/opt/berth" "$root/root/vm"
(cd "$project" && git archive HEAD) | tar -x -C "$root/opt/berth"
cp -a "$project/node_modules" "$root/opt/berth/"
cp "$project"/deploy/systemd/berth*.service "$root/etc/systemd/system/"
cat >"$root/etc/systemd/system/berth-vm-test.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'exec sh /opt/berth/test/vm/inside.sh >>/root/vm/out.txt 2>&1'
UNIT
ln -sf /etc/systemd/system/berth-vm-test.service "$root/etc/systemd/system/multi-user.target.wants/"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"

rm -f "$folder/disk.img"
truncate -s 6G "$folder/disk.img"
mkfs.ext4 -q -F -d "$root" "$folder/disk.img"
for boot in 1 2 3; do
  # With -no-reboot a restart of the machine ends QEMU. Its disk has what the machine had written until then.
  qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
    -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check" \
    -drive "file=$folder/disk.img,if=virtio,format=raw,cache=unsafe" -nic none \
    -display none -serial "file:$folder/serial-$boot.log" -no-reboot
done
debugfs -R 'cat /root/vm/out.txt' "$folder/disk.img" 2>/dev/null >"$folder/out.txt"
cat "$folder/out.txt"
grep -q '^all checks hold$' "$folder/out.txt"
