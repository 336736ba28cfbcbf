#!/bin/sh
# The checks of debian.sh, run as root in the machine each time it boots. The machine may be slow, so nothing here depends on time.
here=$(dirname "$(readlink -f "$0")")
boot=$(cat /root/vm/boot 2>/dev/null || echo 1)
echo $((boot + 1)) >/root/vm/boot
. "$here/checks.sh"

echo "==== boot $boot"
case $boot in
1)
  . "$here/one-host.sh"
  . "$here/fleet.sh"
  sync
  systemctl reboot --no-block
  ;;
2)
  . "$here/offline.sh"
  # As by a power cut: nothing is stopped, and nothing more is written.
  sync
  echo b >/proc/sysrq-trigger
  ;;
3)
  . "$here/offline.sh"
  . "$here/online-again.sh"
  grep -q '^FAILED' /root/vm/out.txt || echo 'all checks hold'
  sync
  systemctl poweroff --no-block
  ;;
esac
