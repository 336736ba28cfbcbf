import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StepCount } from '../../../../runtime-agent/snapshots/entry-path.ts';
import {
  type FoundNode,
  type KnownNode,
  KnownTree,
} from '../../../../runtime-agent/snapshots/unpacked/known-tree.ts';

const DEEP = Array.from({ length: 1000 }, () => 'd');

/** A tree in which each path is what `tree` says, and otherwise a folder. */
function lookIn(tree: ReadonlyMap<string, FoundNode>) {
  const looks: string[] = [];
  const look = (path: string): FoundNode => {
    looks.push(path);
    return tree.get(path) ?? { kind: 'folder' };
  };
  return { look, looks };
}

function walk(tree: KnownTree, names: readonly string[]): KnownNode {
  return names.reduce((node, name) => tree.childOf(node, name), tree.root);
}

test('a folder is looked at once, however many entries lie below it', () => {
  const { look, looks } = lookIn(new Map());
  const tree = new KnownTree(look, new StepCount());
  for (let entry = 0; entry < 100; entry += 1) assert.deepEqual(tree.follow(DEEP), DEEP);
  assert.equal(looks.length, DEEP.length);
});

test('links are followed, and what has changed is looked at again', () => {
  const files = new Map<string, FoundNode>([
    ['/link', { kind: 'link', target: 'a/b' }],
    ['/file', { kind: 'other' }],
  ]);
  const { look, looks } = lookIn(files);
  const tree = new KnownTree(look, new StepCount());
  for (const _ of [1, 2]) assert.deepEqual(tree.follow(['link', 'c']), ['a', 'b', 'c']);
  assert.deepEqual(looks, ['/link', '/a', '/a/b', '/a/b/c']);
  files.set('/link', { kind: 'folder' });
  tree.forget(tree.root, 'link');
  assert.deepEqual(tree.follow(['link', 'c']), ['link', 'c']);
  for (const _ of [1, 2]) assert.equal(tree.find(walk(tree, ['file'])).kind, 'other');
  assert.equal(looks.filter((path) => path === '/file').length, 2, 'a file may be replaced at any time');
  tree.setFolder(walk(tree, ['file']));
  assert.equal(tree.find(walk(tree, ['file'])).kind, 'folder');
});

test('memory is bounded', () => {
  const { look, looks } = lookIn(new Map());
  const tree = new KnownTree(look, new StepCount(), 10_000);
  for (let entry = 0; entry < 5000; entry += 1) tree.follow([`folder-${entry}`]);
  assert.ok(tree.root.children.size < 1000);
  tree.follow(['folder-0']);
  assert.equal(looks.length, 5001);
});
