# Checks of a fleet: a registry as a service, and this host joined to it. Afterwards the registry is switched off.
# shellcheck shell=sh disable=SC2154 # functions and variables of checks.sh
echo '== the registry'
printf 'BERTH_ADMIN_PASSWORD=%s\n' "${BERTH_TOKEN#admin:}" >/etc/berth/berth.env
systemctl enable --now berth
becomes 'the unit starts the registry' 200 \
  curl --silent --output /dev/null --write-out '%{http_code}' "$BERTH_SERVER/readyz"
mkdir -p /root/web
printf 'one\n' >/root/web/index.html
cp /bin/busybox /root/web/
cat >/root/web/Dockerfile <<'DOCKERFILE'
FROM scratch
COPY busybox /bin/busybox
COPY index.html /www/index.html
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
DOCKERFILE
DOCKER_BUILDKIT=0 docker build --tag 127.0.0.1:5000/team/web:main /root/web >/dev/null 2>&1
check 'login' 'Login Succeeded' \
  sh -c 'echo "${BERTH_TOKEN#admin:}" | docker login --username admin --password-stdin 127.0.0.1:5000'
check 'push' '*digest: sha256:*' docker push 127.0.0.1:5000/team/web:main

echo '== a fleet'
eval "$("$berth" host token --label role=web | sed "s#^berth-agent#$berth_agent#")"
becomes 'the host has joined' '*online*' "$berth" host ls
echo secret | "$berth" secret set team/shop PASSWORD
cat >/root/compose.yaml <<'COMPOSE'
services:
  web:
    image: 127.0.0.1:5000/team/web:main
    mem_limit: 64m
    volumes: [data:/data]
    secrets: [PASSWORD]
    healthcheck:
      test: [CMD, /bin/busybox, wget, -q, -O, /dev/null, "http://127.0.0.1:8080/"]
      interval: 2s
      timeout: 60s
      retries: 30
    x-berth:
      route: { host: shop.example, port: 8080 }
volumes:
  data:
secrets:
  PASSWORD:
    external: true
COMPOSE
check 'an app is deployed' '*: release 1 is healthy' \
  sh -c "'$berth' deploy team/shop /root/compose.yaml --on role=web --timeout 20m 2>&1 >/dev/null"
becomes 'its route answers' one page
name=$(instance)
check 'its instance is confined' 'berth-default (enforce)' within cat /proc/self/attr/current
check 'its limit holds' 67108864 within cat /sys/fs/cgroup/memory.max
check 'it has its secret' secret within cat /run/secrets/PASSWORD
within sh -c 'echo kept >/data/file'
pid=$(docker inspect --format '{{.State.Pid}}' "$name")
kill_agent
check 'the instance outlives kill -9 of the agent' "$pid" docker inspect --format '{{.State.Pid}}' "$name"
becomes 'its route answers after that' one page
restart_agent
check 'the instance outlives a restart' "$pid" docker inspect --format '{{.State.Pid}}' "$name"
becomes 'its route answers after a restart' one page
becomes 'the host is online again' '*online*' "$berth" host ls
check 'the app runs as before' '*running*healthy*' "$berth" ps team/shop
systemctl disable --now berth 2>/dev/null
