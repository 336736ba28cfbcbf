import koffi from 'koffi';

const SCHED_FIFO = 1;
const SCHED_RESET_ON_FORK = 0x40000000;
const LOWEST_PRIORITY = 1;

let setScheduler: ((pid: number, policy: number, parameters: Int32Array) => number) | undefined;

/**
 * Schedules a process before all processes without a realtime policy (sched(7)). Its later children have the default
 * policy. Does nothing when this process lacks the permission.
 */
export function runFirst(pid: number): void {
  setScheduler ??= koffi
    .load(null)
    .func('int sched_setscheduler(int pid, int policy, const int32_t *parameters)');
  setScheduler(pid, SCHED_FIFO | SCHED_RESET_ON_FORK, Int32Array.of(LOWEST_PRIORITY));
}
