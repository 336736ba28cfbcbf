# Checks of a host whose registry comes back after the host has booted twice without it.
# shellcheck shell=sh disable=SC2154 # functions and variables of checks.sh
systemctl enable --now berth 2>/dev/null
becomes 'the registry is back' 200 \
  curl --silent --output /dev/null --write-out '%{http_code}' "$BERTH_SERVER/readyz"
becomes 'the host is online' '*online*' "$berth" host ls
printf 'two\n' >/root/web/index.html
DOCKER_BUILDKIT=0 docker build --tag 127.0.0.1:5000/team/web:main /root/web >/dev/null 2>&1
check 'push' '*digest: sha256:*' docker push 127.0.0.1:5000/team/web:main
check 'a second release is deployed' '*: release 2 is healthy' \
  sh -c "'$berth' deploy team/shop /root/compose.yaml --timeout 20m 2>&1 >/dev/null"
becomes 'its route answers' two page
