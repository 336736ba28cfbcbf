import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions } from '../../../../server/cli/parse-options.ts';

const OPTIONS = {
  'max-age': { type: 'string' },
  repair: { type: 'boolean', short: 'r' },
  tail: { type: 'string', short: 'n' },
} as const;

test('an option without its value, or with one that it does not take, is refused in plain words', () => {
  for (const [args, message] of [
    [
      ['--max-age', '-1h'],
      '--max-age needs a value, which is written --max-age=VALUE if it begins with "-": --help lists the options',
    ],
    [
      ['--max-age'],
      '--max-age needs a value, which is written --max-age=VALUE if it begins with "-": --help lists the options',
    ],
    [
      ['-n', '-1'],
      '-n needs a value, which is written -nVALUE if it begins with "-": --help lists the options',
    ],
    [
      ['--tail'],
      '--tail needs a value, which is written --tail=VALUE if it begins with "-": --help lists the options',
    ],
    [['--repair=yes'], '--repair takes no value: --help lists the options'],
    [['some.file'], 'the word "some.file" is not expected: --help lists the options'],
    [['--repaid'], 'the option "--repaid" is not known: did you mean "--repair"?'],
  ] as const) {
    assert.throws(() => parseOptions(args, OPTIONS), { name: 'ConfigError', message });
  }
  assert.deepEqual({ ...parseOptions(['--max-age=-1h'], OPTIONS) }, { 'max-age': '-1h' });
});
