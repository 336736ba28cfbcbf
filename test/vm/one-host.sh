# Checks of the agent on one host: containers under AppArmor, limits, the end of the agent.
# shellcheck shell=sh disable=SC2154 # functions and variables of checks.sh
label() { docker run --rm "$@" bb cat /proc/self/attr/current; }

uname -r
# A request that blocks the event loop is part of the test of the watchdog. Its limit is larger than usual: to load code that was
# never compiled can take this machine ten seconds.
mkdir -p /etc/systemd/system/berth-agent.service.d
printf '[Service]\nEnvironment=NODE_OPTIONS=--import=file:///opt/berth/test/support/block-event-loop.ts BERTH_AGENT_WATCHDOG=60s\n' \
  >/etc/systemd/system/berth-agent.service.d/test.conf
systemctl daemon-reload
mkdir -p /etc/berth
printf 'BERTH_AGENT_INGRESS=127.0.0.1:80\n' >/etc/berth/agent.env
systemctl enable --now berth-agent
until_answers
check 'the unit starts the agent' active systemctl is-active berth-agent
"$berth_agent" doctor

mkdir -p /root/image/bin
cp /bin/busybox /root/image/bin/busybox
for name in sh cat sleep mount echo head tail true stty; do ln -sf busybox "/root/image/bin/$name"; done
mkdir -p /root/image/mnt /root/image/proc /root/image/tmp
tar -C /root/image -c . | docker import - bb >/dev/null
check 'a container runs' hello docker run --rm bb echo hello

echo '== AppArmor'
check 'info tells of AppArmor' '*name=apparmor*' docker info --format '{{.SecurityOptions}}'
check 'a container is confined' 'berth-default (enforce)' label
check 'a privileged one is not' unconfined label --privileged
check 'one that asks for no profile is not' unconfined label --security-opt apparmor=unconfined
check 'docker-default is the same' 'berth-default (enforce)' label --security-opt apparmor=docker-default
printf 'profile vm-test flags=(attach_disconnected) { file, capability, network, deny /etc/** r, }\n' |
  apparmor_parser --skip-cache --replace
check 'another profile is applied' 'vm-test (enforce)' label --security-opt apparmor=vm-test
check 'a profile that is not loaded fails the start' refused \
  sh -c 'docker run --rm --security-opt apparmor=nosuch bb true || echo refused'
docker run --detach --name web bb sleep 100000 >/dev/null
check 'inspect tells the profile' berth-default docker inspect --format '{{.AppArmorProfile}}' web
check 'exec is confined' 'berth-default (enforce)' docker exec web cat /proc/self/attr/current
check 'a privileged exec is confined' 'berth-default (enforce)' docker exec --privileged web cat /proc/self/attr/current
mkdir -p /root/context
printf 'FROM bb\nRUN cat /proc/self/attr/current >/label\n' >/root/context/Dockerfile
DOCKER_BUILDKIT=0 docker build --tag built /root/context >/dev/null 2>&1
check 'a RUN step is confined' 'berth-default (enforce)' docker run --rm built cat /label
open='--security-opt systempaths=unconfined --cap-add SYS_ADMIN --cap-add SYS_RESOURCE'
write='echo 0 >/proc/sys/kernel/sysctl_writes_strict && echo written'
# shellcheck disable=SC2086 # options
{
  check 'settings of the kernel are the host'"'"'s' '*ermission denied*' docker run --rm $open bb sh -c "$write"
  check 'without the profile they are not' written docker run --rm $open --security-opt apparmor=unconfined bb sh -c "$write"
  check 'mounting is forbidden' '*ermission denied*' docker run --rm $open bb mount -t tmpfs none /mnt
  check 'without the profile it is not' mounted docker run --rm $open --security-opt apparmor=unconfined bb \
    sh -c 'mount -t tmpfs none /mnt && echo mounted'
}
check 'a container changes its own processes' 500 docker run --rm bb \
  sh -c 'echo 500 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj'
check 'a process cannot leave its profile' '*ermission denied*' docker run --rm bb \
  sh -c 'echo changeprofile unconfined >/proc/self/attr/current'
docker run --detach --name stops --stop-timeout 1 bb sleep 100000 >/dev/null
docker stop stops >/dev/null
check 'a confined container is stopped' 137 docker inspect --format '{{.State.ExitCode}}' stops

echo '== limits'
check 'memory' 67108864 docker run --rm --memory 64m bb cat /sys/fs/cgroup/memory.max
check 'processors' '50000 100000' docker run --rm --cpus 0.5 bb cat /sys/fs/cgroup/cpu.max
check 'processes' 20 docker run --rm --pids-limit 20 bb cat /sys/fs/cgroup/pids.max
check 'stats' 'web *iB / *' docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' web
docker run --name oom --memory 16m --memory-swap 16m bb tail -n 1 /dev/zero >/dev/null 2>&1
check 'a container out of memory is killed' 'true 137' docker inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' oom

echo '== the end of the agent'
pid=$(docker inspect --format '{{.State.Pid}}' web)
kill_agent
check 'a container outlives kill -9' "$pid" docker inspect --format '{{.State.Pid}}' web
check 'exec works after it' again docker exec web echo again
restart_agent
check 'a container outlives a restart' "$pid" docker inspect --format '{{.State.Pid}}' web
ends() { curl --silent --unix-socket /run/berth-agent.sock http://agent/metrics | sed -n 's/^berth_agent_watchdog_ends_total //p'; }
before=$(ends)
agent=$(main_pid)
curl --silent --unix-socket /run/berth-agent.sock http://agent/v1.44/containers/block-the-event-loop/json
until_other_than "$agent"
check 'the watchdog ends an agent that is blocked, and systemd starts it again' $((before + 1)) ends
check 'a container outlives that' "$pid" docker inspect --format '{{.State.Pid}}' web
check 'its stack is in the journal' '*blockTheEventLoop*' \
  sh -c 'journalctl --unit berth-agent --output cat --no-pager | grep "has not turned"'
docker rm --force web >/dev/null
check 'AppArmor refused nothing that was not asked for' 0 \
  sh -c 'journalctl --dmesg --no-pager | grep DENIED | grep -v -E "profile=\"(berth-default|vm-test)\"|name=\"nosuch\"" | grep -c .'
journalctl --dmesg --no-pager | grep DENIED | head -n 20
docker run --detach --name always --restart always bb sleep 100000 >/dev/null
docker run --detach --name stopped --restart unless-stopped bb sleep 100000 >/dev/null
docker stop --time 0 stopped >/dev/null
