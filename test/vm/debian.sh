#!/bin/sh
# Runs the agent on a real Debian 13 in QEMU, without KVM: systemd, cgroup v2, AppArmor and the distribution's kernel. Run it by hand,
# as root, before a release:
#
#   sh test/vm/debian.sh [FOLDER]
#
# It needs the packages qemu-system-x86, debootstrap and e2fsprogs, 6 GB in FOLDER (a folder in /var/tmp unless given), and
# about ten minutes. The system in FOLDER/root is kept for the next run. The exit code is 0 when every check of inside.sh holds.
set -eu
project=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
folder=${1:-/var/tmp/berth-vm}
root=$folder/root
mkdir -p "$folder"

system="systemd,systemd-sysv,dbus,udev,kmod,iproute2,nftables,procps,apparmor,linux-image-amd64,initramfs-tools,ca-certificates,curl"
agent="bzip2,crun,conmon,isal,golang-github-containers-common,tini,util-linux,xz-utils,zstd"
test="docker-cli,busybox-static"
if [ ! -e "$root/.complete" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include="$system,$agent,$test" trixie "$root"
  # Some packages are left to be configured.
  chroot "$root" dpkg --configure -a
  : >"$root/.complete"
fi

rm -rf "$root/opt/berth" "$root/root/out.txt"
mkdir -p "$root/opt/berth"
(cd "$project" && git archive HEAD) | tar -x -C "$root/opt/berth"
cp -a "$project/node_modules" "$root/opt/berth/"
cp "$project/deploy/systemd/berth-agent.service" "$root/etc/systemd/system/"
cat >"$root/etc/systemd/system/berth-vm-test.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'sh /opt/berth/test/vm/inside.sh >/root/out.txt 2>&1; sync; systemctl poweroff --no-block'
[Install]
WantedBy=graphical.target
UNIT
ln -sf /etc/systemd/system/berth-vm-test.service "$root/etc/systemd/system/multi-user.target.wants/"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"

rm -f "$folder/disk.img"
truncate -s 6G "$folder/disk.img"
mkfs.ext4 -q -F -d "$root" "$folder/disk.img"
qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
  -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* -append "root=/dev/vda rw console=ttyS0 quiet" \
  -drive "file=$folder/disk.img,if=virtio,format=raw,cache=unsafe" -nic none \
  -display none -serial "file:$folder/serial.log" -no-reboot
debugfs -R 'cat /root/out.txt' "$folder/disk.img" 2>/dev/null >"$folder/out.txt"
cat "$folder/out.txt"
grep -q '^all checks hold$' "$folder/out.txt"
