import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileModeChange } from '../../../../runtime-agent/builder/frontend/file-mode-change.ts';
import { runCommand } from '../../../support/run-command.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const SYMBOLIC = [
  'u+x',
  '+x',
  'a=rX',
  'go-w,u+x',
  'u=rwX,go=rX',
  'ug+s',
  '=rw,+X',
  'o=u',
  'u=rwx,go=u-w',
  '+t,o-rwx',
  'a-x+X',
  'g=',
  'u-w,g+w,o=x',
];
const MODES = ['0644', '0755', '0600', '4711', '1777', '0000'];

test('modes of COPY are changed as chmod changes them where there is no umask', async (t) => {
  const folder = await makeTempDir(t, 'modes');
  const script = `umask 0
for mode in ${MODES.join(' ')}; do for change in ${SYMBOLIC.join(' ')}; do
  touch f; mkdir d; chmod $mode f d; chmod $change f d; stat -c "$mode $change %F %04a" f d; rm f; rmdir d
done; done`;
  const { stdout } = await runCommand('sh', ['-c', script], { cwd: folder });
  const lines = stdout.trim().split('\n');
  assert.equal(lines.length, 2 * MODES.length * SYMBOLIC.length);
  for (const line of lines) {
    const [mode = '', change = '', ...rest] = line.split(' ');
    const isFolder = rest[0] === 'directory';
    // GNU's chmod leaves folders their set-ID bits, BSD's, whose rules BuildKit has, does not.
    if (isFolder && mode.startsWith('4')) continue;
    const ours = fileModeChange(change)?.(Number.parseInt(mode, 8), isFolder) ?? -1;
    assert.equal(ours.toString(8).padStart(4, '0'), rest.at(-1), line);
  }
});

test('octal modes are what they say, and anything else is none', () => {
  assert.equal(fileModeChange('0755')?.(0o600, false), 0o755);
  assert.equal(fileModeChange('7')?.(0o600, true), 7);
  for (const text of ['', 'rubbish', '999', '77777', 'u', 'u+q', 'x+r', 'u+x,', ',', 'u+xg+w,1']) {
    assert.equal(fileModeChange(text), undefined, text);
  }
});
