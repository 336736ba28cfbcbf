# Checks of a host that has booted and whose registry is away.
# shellcheck shell=sh disable=SC2154 # functions and variables of checks.sh

until_answers
check 'the registry is away' inactive systemctl is-active berth
check 'the unit has started the agent' active systemctl is-active berth-agent
becomes 'a container that always restarts runs' true docker inspect --format '{{.State.Running}}' always
check 'one that was stopped does not' false docker inspect --format '{{.State.Running}}' stopped
becomes 'the instance is back, and its route answers' one page
check 'it is confined' 'berth-default (enforce)' within cat /proc/self/attr/current
check 'its limit holds' 67108864 within cat /sys/fs/cgroup/memory.max
check 'it has its secret' secret within cat /run/secrets/PASSWORD
check 'it has its volume' kept within cat /data/file
