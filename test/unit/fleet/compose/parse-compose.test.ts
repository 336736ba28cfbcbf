import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComposeError } from '../../../../fleet/compose/compose-error.ts';
import { parseDuration } from '../../../../fleet/compose/duration.ts';
import { parseEnvFile } from '../../../../fleet/compose/env-file.ts';
import { interpolate } from '../../../../fleet/compose/interpolate.ts';
import { type ParsedCompose, parseCompose } from '../../../../fleet/compose/parse-compose.ts';
import { splitShellWords } from '../../../../fleet/compose/shell-words.ts';
import { fc } from '../../../support/properties.ts';

async function parse(
  text: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ParsedCompose> {
  return parseCompose(text, { environment, readFile: async () => undefined });
}

async function errorOf(text: string): Promise<string> {
  try {
    await parse(text);
    return '';
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    return error.message;
  }
}

const variable = (inner: string) => `\${${inner}}`;

describe('parseCompose', () => {
  it('says where a text is not YAML, and where a variable is wrong', async () => {
    assert.match(await errorOf('services:\n  web: {image: w\n'), /^line 3, column 1: /);
    assert.match(
      await errorOf('services:\n  web: {image: a}\n  web: {image: b}\n'),
      /^line 3, column 3: Map keys must be unique/,
    );
    assert.equal(
      await errorOf(`services:\n  web:\n    image: ${variable('TAG:?say which')}\n`),
      'line 3, column 5: services.web.image: the variable TAG must be set: say which',
    );
    assert.match(
      await errorOf(`services: {web: {image: "${variable('TAG').slice(0, -1)}"}}`),
      /a \$\{ without its \}/,
    );
    assert.equal(
      await errorOf('services: {web: {image: a}}\n---\nservices: {}\n'),
      'line 2, column 1: has a second document: put it into a separate file',
    );
    assert.match(await errorOf('- services'), /must be a mapping with services/);
  });

  it('finds positions behind anchors, merge keys and lists', async () => {
    const { position } = await parse(
      'x-a: &a\n  ports:\n    - 80\nservices:\n  web:\n    <<: *a\n    image: w\n  api: *a\n',
    );
    assert.deepEqual(position(['services', 'web', 'image']), { line: 7, column: 5 });
    assert.deepEqual(position(['services', 'web', 'ports', 0]), { line: 3, column: 7 });
    assert.deepEqual(position(['services', 'api', 'ports']), { line: 2, column: 3 });
    assert.deepEqual(position(['services', 'api', 'missing', 'more']), { line: 8, column: 3 });
    assert.equal(position([]), undefined);
  });

  it('refuses texts that make too much of themselves', async () => {
    const bomb = Array.from({ length: 20 }, (_, index) =>
      index === 0
        ? 'x0: &x0 [a, a, a, a]'
        : `x${index}: &x${index} [*x${index - 1}, *x${index - 1}, *x${index - 1}, *x${index - 1}]`,
    ).join('\n');
    assert.match(await errorOf(bomb), /has more than 20000 values/);
    assert.match(await errorOf('x-a: &a [*a]'), /contains itself|unresolved|Unresolved/i);
    assert.match(await errorOf(`x: ${'a'.repeat(1024 * 1024)}`), /larger than 1048576 bytes/);
    const merges = `x0: &x0 {${Array.from({ length: 2000 }, (_, index) => `k${index}: 1`).join(', ')}}\nx1: {<<: [${Array(2000).fill('*x0').join(', ')}]}`;
    assert.match(await errorOf(merges), /has more than 20000 values/);
  });

  it('takes many uses of one anchor', async () => {
    const services = Array.from(
      { length: 90 },
      (_, index) => `  s${index}: {<<: *a, image: w, environment: {<<: *e}}`,
    );
    const { document } = await parse(
      `x-a: &a {restart: always}\nx-e: &e {A: b}\nservices:\n${services.join('\n')}`,
    );
    assert.equal(Object.keys(Object(document.services)).length, 90);
  });

  it('warns of variables that are not set, once', async () => {
    const { warnings } = await parse('services: {web: {image: w, labels: {a: $NO, b: $NO, c: $YES}}}', {
      YES: '',
    });
    assert.deepEqual(warnings, ['the variable NO is not set: it is replaced by an empty text']);
  });

  it('asks for files by the paths of the text, and says which are missing', async () => {
    const asked: string[] = [];
    const text =
      'services: {web: {image: w, env_file: [a.env, {path: b.env, required: false}]}}\nconfigs: {c: {file: ./c.conf}}';
    const parsing = parseCompose(text, { environment: {}, readFile: async (path) => void asked.push(path) });
    await assert.rejects(
      parsing,
      /line 1, column 39: services\.web\.env_file\[0\]: there is no file "a\.env"\nline 2.*c\.conf/,
    );
    assert.deepEqual(asked, ['a.env', 'b.env', './c.conf']);
  });
});

describe('interpolate', () => {
  it('refuses what is no variable', () => {
    for (const text of [
      variable(''),
      variable('1A'),
      variable('A!b'),
      variable('A b'),
      '${A',
      variable('A:b'),
    ]) {
      assert.throws(() => interpolate(text, () => 'x'), /is not a variable|without its/, text);
    }
  });

  it('never fails on text without braces, and leaves text without dollar signs as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const plain = text.replaceAll('{', '');
        const filled = interpolate(plain, () => undefined);
        if (!plain.includes('$')) assert.equal(filled, plain);
        assert.equal(
          interpolate(text.replaceAll('$', '$$$$'), () => undefined),
          text,
        );
      }),
    );
  });

  it('is not slow for nested and open braces', () => {
    const nested = `${'${A:-'.repeat(60)}${'}'.repeat(60)}`;
    assert.throws(() => interpolate(nested, () => undefined), /nested deeper than 50/);
    assert.throws(() => interpolate('${A:-'.repeat(100_000), () => undefined), /without its/);
  });
});

describe('parseEnvFile', () => {
  it('refuses what has no name, and quotes that are not closed, with the line', () => {
    assert.throws(() => parseEnvFile('A=1\n\n=b', () => undefined), /line 3: "" is not the name/);
    assert.throws(() => parseEnvFile('A=1\nB C=2', () => undefined), /line 2: "B C" is not the name/);
    assert.throws(
      () => parseEnvFile('A=1\nB="x\n', () => undefined),
      /line 2: the value of B has a " that is not closed/,
    );
  });
});

describe('splitShellWords', () => {
  it('refuses operators, and quotes that are not closed', () => {
    for (const text of ['a; b', 'a && b', 'a | b', 'a >b', 'echo $(date)', 'echo `date`']) {
      assert.match(String(splitShellWords(text)), /unquoted/, text);
    }
    assert.match(String(splitShellWords("it's")), /is not closed/);
    assert.match(String(splitShellWords('a\\')), /ends with a backslash/);
    assert.deepEqual(splitShellWords(''), []);
  });

  it('splits what was joined', () => {
    const word = fc.string();
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const text = words.map((one) => `'${one.replaceAll("'", `'"'"'`)}'`).join(' ');
        assert.deepEqual(splitShellWords(text), words);
      }),
    );
  });
});

describe('parseDuration', () => {
  it('reads what Compose reads, and nothing else', () => {
    for (const [text, expected] of [
      ['1m30s', 90_000],
      ['1h5m30s20ms', 3_930_020],
      ['1.5s', 1500],
      ['100us', 0],
      ['2d', 172_800_000],
      ['0', 0],
      ['', undefined],
      ['10', undefined],
      ['s', undefined],
      ['-1s', undefined],
      ['1s x', undefined],
    ] as const) {
      assert.equal(parseDuration(text), expected, text);
    }
  });
});
