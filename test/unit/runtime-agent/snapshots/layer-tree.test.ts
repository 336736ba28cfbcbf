import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TarParser } from '../../../../lib/tar/tar-parser.ts';
import { StepCount } from '../../../../runtime-agent/snapshots/entry-path.ts';
import { LayerShape } from '../../../../runtime-agent/snapshots/layer-shape.ts';
import { type LayerNode, LayerTree } from '../../../../runtime-agent/snapshots/layer-tree.ts';
import { type TarEntry, writeTar } from '../../../support/tar-writer.ts';

const file = (name: string, content = ''): TarEntry => ({ name, type: 'file', content });
const folder = (name: string): TarEntry => ({ name: `${name}/`, type: 'directory' });
const symlink = (name: string, target: string): TarEntry => ({ name, type: 'symlink', target });
const hardlink = (name: string, target: string): TarEntry => ({ name, type: 'hardlink', target });

describe('LayerTree', () => {
  it('follows links on the way to entries, never out of the root', () => {
    const cases: Readonly<Record<string, readonly [readonly TarEntry[], string]>> = {
      'a link to a folder': [
        [folder('usr/lib'), symlink('lnk', 'usr/lib'), file('lnk/x')],
        'lnk@ usr/ usr/lib/ usr/lib/x',
      ],
      'a link to what is not there yet': [
        [symlink('lnk', 'usr/lib'), file('lnk/x')],
        'lnk@ usr/ usr/lib/ usr/lib/x',
      ],
      'a name of a link in a folder that is not there yet': [
        [symlink('b', 'a'), file('a/b/c')],
        'a/ a/b/ a/b/c b@',
      ],
      'a link that is replaced': [
        [symlink('lnk', 'a'), file('lnk/x'), folder('lnk'), file('lnk/y')],
        'a/ a/x lnk/^ lnk/y',
      ],
      'a link whose folder is replaced': [
        [folder('a'), symlink('lnk', 'a'), file('lnk/x'), file('a'), folder('a'), file('lnk/y')],
        'a/^ a/y lnk@',
      ],
      'up and absolute': [
        [symlink('d/up', '../../../e'), symlink('abs', '/d/up'), file('abs/x')],
        'abs@ d/ d/up@ e/ e/x',
      ],
      'a hard link by a link': [
        [file('d/x'), symlink('lnk', 'd'), hardlink('h', 'lnk/x'), file('d/x')],
        'd/ d/x h lnk@',
      ],
      'a whiteout by a link': [[folder('d'), symlink('lnk', '/d'), file('lnk/.wh.gone')], 'd/ d/gone! lnk@'],
      'an opaque mark by a link': [[folder('d'), symlink('lnk', '/d'), file('lnk/.wh..wh..opq')], 'd/^ lnk@'],
      'notes of AUFS': [[file('.wh..wh.aufs'), file('d/.wh..wh.orph')], 'd/'],
    };
    for (const [what, [entries, expected]] of Object.entries(cases)) {
      assert.equal(describeNode(treeOf(entries).root).join(' '), expected, what);
    }
  });

  it('refuses what makes no tree, with the name of the entry', () => {
    const cases: Readonly<Record<string, readonly [readonly TarEntry[], RegExp]>> = {
      'a file as a folder': [[file('a'), file('a/b')], /^"a\/b" lies in "a", which is not a folder$/],
      'links without end': [[symlink('a', 'b'), symlink('b', 'a'), file('a/x')], /way to "a\/x" never end/],
      'a hard link to nothing': [
        [hardlink('h', 'nothing')],
        /"h" is a hard link to "nothing", which it does not have/,
      ],
      'a hard link to itself': [
        [file('h'), hardlink('h', 'h')],
        /"h" is a hard link to "h", which it does not have/,
      ],
      'a hard link to a folder': [
        [folder('d'), hardlink('h', 'd')],
        /"h" is a hard link to "d", which is a folder/,
      ],
      'a hard link to the root': [[hardlink('h', '..')], /which is a folder/],
      'a hard link to a whiteout': [[file('.wh.x'), hardlink('h', 'x')], /which it does not have/],
      'another root': [[symlink('.', 'a')], /its root is not a folder/],
      'a name of links that is too long': [
        [symlink('a', 'n'.repeat(256)), file('a/x')],
        /lies in "n+", which cannot name a folder/,
      ],
      'a whiteout as a folder of links': [
        [symlink('a', '.wh.b'), file('a/x')],
        /lies in ".wh.b", which cannot/,
      ],
      'the root made opaque by a link': [
        [symlink('a', '/'), file('a/.wh..wh..opq')],
        /hides all layers below it, which is not supported/,
      ],
    };
    for (const [what, [entries, message]] of Object.entries(cases)) {
      assert.throws(() => treeOf(entries), { name: 'TarFormatError', message }, what);
    }
  });

  it('looks at a bounded number of names, however long the ways to entries are', () => {
    const tree = new LayerTree({}, new StepCount(5000));
    const deep = 'd/'.repeat(2000);
    const [first] = entriesOf([file('a')]);
    const add = (path: string) => first !== undefined && tree.entry({ ...first, path });
    add(`${deep}a`);
    add(`${deep}b`);
    add(`${deep}c`);
    add(`${deep}./d`);
    const message = 'the ways to its entries are too long together';
    assert.throws(() => add(`${deep}/./e`), { name: 'TarFormatError', message });
    const climbing = new LayerTree({}, new StepCount(5000));
    const up = entriesOf([
      symlink('up', `${'../'.repeat(1000)}up2`),
      symlink('up2', '../'.repeat(1000)),
      file('up/x'),
    ]);
    const climb = () => {
      for (const entry of up) climbing.entry(entry);
    };
    climb();
    climb();
    assert.throws(climb, { name: 'TarFormatError', message });
  });

  it('keeps a bounded number of entries, names and extended attributes', () => {
    const few = entriesOf(['a', 'b', 'c', 'd'].map((name) => file(name)));
    const tree = new LayerTree({ maxNodes: 4 });
    assert.throws(
      () => {
        for (const each of few) tree.entry(each);
      },
      { message: 'it has more than 4 entries' },
    );
    const long = new LayerTree({ maxText: 500 });
    const [entry] = few;
    const xattrs = new Map([['user.a', 'x'.repeat(300)]]);
    const add = () => entry !== undefined && long.entry({ ...entry, xattrs });
    add();
    assert.throws(add, { message: 'its names, links and extended attributes take more than 500 bytes' });
  });
});

describe('LayerShape', () => {
  it('refuses bodies and names of marks that other programs read otherwise', () => {
    const smuggled = writeTar([{ ...file('bin/backdoor', 'evil'), mode: 0o4755 }])
      .subarray(0, 1024)
      .toString('latin1');
    for (const name of [
      'etc/.wh..wh..opq',
      '.wh.group',
      'd/.wh..wh.plnk',
      './/.wh.a',
      '.wh.a/.',
      'x/../.wh.b',
    ]) {
      assert.throws(() => shapeOf([file(name, smuggled)]), {
        message: `${JSON.stringify(name)} marks a deletion and has a body`,
      });
    }
    for (const name of ['.wh.', 'd/.wh..', '.wh...', '.wh.a/b', '.wh..wh..opq', './.wh..wh..opq']) {
      assert.throws(() => shapeOf([file(name)]), { name: 'TarFormatError' }, name);
    }
    assert.equal(shapeOf([file('a', 'four'), file('a.wh.b', 'x'), symlink('c', 'ab')]).contentSize, 7);
  });
});

function entriesOf(entries: readonly TarEntry[]) {
  const found: Parameters<LayerTree['entry']>[0][] = [];
  const parser = new TarParser({ entry: (entry) => found.push(entry), data: () => undefined });
  parser.push(writeTar(entries));
  return found;
}

function treeOf(entries: readonly TarEntry[]): LayerTree {
  const tree = new LayerTree();
  for (const entry of entriesOf(entries)) tree.entry(entry);
  return tree;
}

function shapeOf(entries: readonly TarEntry[]): LayerShape {
  const shape = new LayerShape();
  for (const entry of entriesOf(entries)) shape.entry(entry);
  return shape;
}

/** Paths, with `/` behind folders (`^`: opaque), `@` behind symlinks, `!` behind whiteouts. */
function describeNode(node: LayerNode, path = ''): readonly string[] {
  return [...(node.children ?? [])]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, child]) => {
      const at = `${path}${name}`;
      if (child.kind !== 'folder')
        return [`${at}${child.kind === 'symlink' ? '@' : child.kind === 'char' ? '!' : ''}`];
      return [`${at}/${child.isOpaque ? '^' : ''}`, ...describeNode(child, `${at}/`)];
    });
}
