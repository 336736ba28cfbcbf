# Functions and variables of the checks, for the other scripts here.
# shellcheck shell=sh disable=SC2034 # variables are used there
export HOME=/root
export DOCKER_HOST=unix:///run/berth-agent.sock
export BERTH_SERVER=http://127.0.0.1:5000
export BERTH_TOKEN=admin:password-of-the-virtual-machine
berth=/opt/berth/server/cli/berth
berth_agent=/opt/berth/runtime-agent/cli/berth-agent

# check WHAT EXPECTED COMMAND...: the last line that a command prints, errors included, must match a pattern of the shell.
check() {
  what=$1 expected=$2
  shift 2
  found=$("$@" 2>&1 | tail -n 1)
  # shellcheck disable=SC2254 # it is a pattern
  case $found in
  $expected) echo "ok: $what" ;;
  *) echo "FAILED: $what: expected $expected, found $found" ;;
  esac
}

# becomes WHAT EXPECTED COMMAND...: the same for what comes about after a while.
becomes() {
  what=$1 expected=$2
  shift 2
  tries=0
  while [ $tries -lt 300 ]; do
    # shellcheck disable=SC2254 # it is a pattern
    case $("$@" 2>&1 | tail -n 1) in $expected) break ;; esac
    tries=$((tries + 1))
    sleep 1
  done
  check "$what" "$expected" "$@"
}

until_answers() {
  tries=0
  until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { journalctl --unit berth-agent --no-pager | tail -n 30; break; }
    sleep 1
  done
}
main_pid() { systemctl show --property MainPID --value berth-agent; }

# Waits until systemd has started another process of the agent than PID, which answers.
until_other_than() {
  tries=0
  while [ "$(main_pid)" = "$1" ] || [ "$(main_pid)" = 0 ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || break
    sleep 1
  done
  until_answers
}
kill_agent() {
  agent=$(main_pid)
  systemctl kill --signal KILL --kill-whom main berth-agent
  until_other_than "$agent"
}
restart_agent() {
  agent=$(main_pid)
  systemctl restart berth-agent
  until_other_than "$agent"
}

# Of the app that fleet.sh deploys: its page through the route, and a command of busybox in its instance.
page() { curl --silent --header 'Host: shop.example' http://127.0.0.1/; }
instance() { docker ps --quiet --filter label=io.berth.app=team/shop; }
within() { docker exec "$(instance)" /bin/busybox "$@"; }
