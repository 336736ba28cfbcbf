import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCreateFailure } from '../../../../runtime-agent/oci-runner/runtime-error.ts';

const PREFIX = 'failed to create task for container: failed to create shim task: OCI runtime create failed: ';
const PROCESS = 'create failed: unable to start container process: ';

describe('readCreateFailure', () => {
  const cases: readonly (readonly [string, string, number, string])[] = [
    [
      'crun',
      'executable file `nosuch` not found in $PATH: No such file or directory\n',
      127,
      `crun ${PROCESS}exec: "nosuch": executable file not found in $PATH`,
    ],
    [
      'crun',
      'executable file `/nosuch` not found: No such file or directory\n',
      127,
      `crun ${PROCESS}exec: "/nosuch": stat /nosuch: no such file or directory`,
    ],
    [
      'crun',
      'the path `/etc` is not a regular file: Operation not permitted\n',
      126,
      `crun ${PROCESS}exec: "/etc": is a directory: permission denied`,
    ],
    [
      'crun',
      'the path `/etc/f` exists but it is not executable: Operation not permitted\n',
      126,
      `crun ${PROCESS}exec: "/etc/f": permission denied`,
    ],
    [
      'crun',
      'mount `x` to `y`: No such file or directory\n',
      128,
      'crun create failed: mount `x` to `y`: No such file or directory',
    ],
    ['crun', '', 128, 'crun create failed'],
    ['crun', 'exec: "/x": exec format error', 126, `crun ${PROCESS}exec: "/x": exec format error`],
    [
      'runc',
      'time="2026-11-24T07:35:34Z" level=warning msg="something"\n' +
        'time="2026-11-24T07:35:34Z" level=error msg="runc create failed: unable to start container process: exec: \\"nosuch\\": executable file not found in $PATH"\n',
      127,
      `runc ${PROCESS}exec: "nosuch": executable file not found in $PATH`,
    ],
    [
      'runc',
      'time="x" level=error msg="runc create failed: unable to start container process: exec: \\"/etc\\": is a directory"\n',
      126,
      `runc ${PROCESS}exec: "/etc": is a directory: permission denied`,
    ],
    [
      'runc',
      'time="x" level=error msg="runc create failed: unable to start container process: exec: \\"/n\\": stat /n: no such file or directory"\n',
      127,
      `runc ${PROCESS}exec: "/n": stat /n: no such file or directory`,
    ],
    ['runc', 'exec: "/x": exec format error', 126, `runc ${PROCESS}exec: "/x": exec format error`],
  ];
  for (const [runtime, stderr, exitCode, reason] of cases) {
    it(`reads ${runtime}: ${stderr.slice(0, 60).trim()}`, () => {
      assert.deepEqual(readCreateFailure(runtime, stderr), {
        exitCode,
        message: `${PREFIX}${reason}: unknown`,
      });
    });
  }
});
