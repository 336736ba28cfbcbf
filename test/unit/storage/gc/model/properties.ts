import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import { collectGarbage } from '../../../../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../../../../storage/gc/garbage-policy.ts';
import { MemoryBlobDriver } from '../../../../support/memory-blob-driver.ts';
import { fc } from '../../../../support/properties.ts';
import { type Deed, perform, type Rules } from './actors.ts';
import { type Choice, Explorer } from './interleaving.ts';
import { World } from './world.ts';

const HOUR = 60 * 60 * 1000;

/** Interleavings that each property of chance tries; BERTH_INTERLEAVINGS tries more of them. */
const RUNS = Number(process.env.BERTH_INTERLEAVINGS ?? 100);

const repository = fc.constantFrom('a', 'b');
const image = fc.integer({ min: 0, max: 1 });
const tag = fc.constantFrom('1', '2');
const push = fc.record({
  kind: fc.constant('push' as const),
  repository,
  image,
  tag,
  by: fc.constantFrom('upload', 'post', 'mount'),
  looks: fc.boolean(),
  also: fc.constantFrom('nothing', 'nothing', 'index', 'referrer'),
});
const untagging = fc.record({ kind: fc.constant('delete tag' as const), repository, tag });
const deletion = fc.oneof(
  untagging,
  fc.record({ kind: fc.constant('delete image' as const), repository, image }),
  fc.record({ kind: fc.constant('delete layer' as const), repository, image }),
);
const collection = fc.record({ kind: fc.constant('collect garbage' as const), untagged: fc.boolean() });
const deeds = (deletion: fc.Arbitrary<Deed>, wait: fc.Arbitrary<number>): fc.Arbitrary<readonly Deed[]> =>
  fc.array(
    fc.oneof(
      { arbitrary: push, weight: 4 },
      { arbitrary: deletion, weight: 2 },
      { arbitrary: collection, weight: 2 },
      { arbitrary: fc.record({ kind: fc.constant('wait' as const), milliseconds: wait }), weight: 1 },
    ),
    { minLength: 1, maxLength: 3 },
  );
const choices: fc.Arbitrary<readonly Choice[]> = fc.array(
  fc.record({
    actor: fc.nat({ max: 5 }),
    // Whoever stands still shall now and then see others do all of something.
    steps: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 25 })),
    crash: fc.oneof(
      { arbitrary: fc.constant('no' as const), weight: 60 },
      { arbitrary: fc.constantFrom('before', 'after'), weight: 1 },
    ),
  }),
  { maxLength: 60, size: 'max' },
);

let world: World;

/** Checks one property in a world of its own. Throws the counterexample. */
export async function checkProperty(name: string): Promise<void> {
  const check = PROPERTIES[name];
  if (check === undefined) throw new Error(`there is no property "${name}"`);
  world = await World.open();
  mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
  try {
    await check();
  } finally {
    mock.timers.reset();
    await world.knex.destroy();
  }
}

/** Answers the steps that were taken. */
async function explore(
  actors: readonly (readonly Deed[])[],
  order: readonly Choice[],
  rules: Rules,
): Promise<readonly string[]> {
  world.clear();
  const explorer = new Explorer(order);
  try {
    const works = new Map(actors.map((deeds, index) => [`actor ${index}`, perform(world, deeds, rules)]));
    await explorer.run(works, () => world.checkPromises());
    // Everybody has gone, some by a crash; a day and a half later nothing of it is left.
    mock.timers.tick(36 * HOUR);
    const blobs = new BlobStore(new MemoryBlobDriver(world.disk));
    const report = await collectGarbage({ ...world, blobs, policy: garbagePolicy(rules.graceMs, true) });
    assert.ok(report, 'the lease of whoever crashed has run out');
    world.checkPromises();
    await world.checkNothingLeft();
    return explorer.trace;
  } catch (error) {
    if (error instanceof Error) error.message += `\n${explorer.trace.join('\n')}`;
    throw error;
  }
}

async function nothingIsLost(): Promise<void> {
  const rules: Rules = {
    graceMs: 0,
    pushAgain: true,
    advanceClock: (milliseconds) => mock.timers.tick(milliseconds),
  };
  const waits = fc.constantFrom(1, 20_000, 25 * HOUR);
  const property = fc.asyncProperty(
    fc.array(deeds(deletion, waits), { minLength: 2, maxLength: 4 }),
    choices,
    async (actors, order) => {
      await explore(actors, order, rules);
    },
  );
  await fc.assert(property, { numRuns: RUNS });
}

async function nothingIsRepeated(): Promise<void> {
  const rules: Rules = {
    graceMs: 3 * HOUR,
    pushAgain: false,
    advanceClock: (milliseconds) => mock.timers.tick(milliseconds),
  };
  // An hour in all: what twelve deeds wait, at most.
  const waits = fc.integer({ min: 0, max: 5 * 60 * 1000 });
  const property = fc.asyncProperty(
    fc.array(deeds(untagging, waits), { minLength: 2, maxLength: 4 }),
    choices,
    async (actors, order) => {
      await explore(actors, order, rules);
    },
  );
  await fc.assert(property, { numRuns: RUNS });
}

/** More than anybody has to do. */
const ALL = 1_000;
const PUSHES = (['upload', 'post', 'mount', 'look'] as const).flatMap((way) =>
  (['nothing', 'index'] as const).map((also) => {
    const by = way === 'look' ? 'post' : way;
    return { kind: 'push', repository: 'a', image: 0, tag: '2', by, also, looks: way === 'look' } as const;
  }),
);
/** More than a push has. */
const STEPS = 100;

const by = (actor: string) => (step: string) => step.startsWith(`${actor}: `);

/** Lets a push stand still after each of its steps while somebody else does `meanwhile` from beginning to end. */
async function standStillEverywhere(before: readonly Deed[], meanwhile: readonly Deed[], rules: Rules) {
  for (const push of PUSHES) {
    for (let steps = 0, standing = true; standing; steps += 1) {
      assert.ok(steps < STEPS);
      const order = [
        { actor: 0, steps: ALL, crash: 'no' },
        ...(steps === 0 ? [] : [{ actor: 0, steps, crash: 'no' } as const]),
        { actor: 1, steps: ALL, crash: 'no' },
      ] as const;
      const first = [...before, { kind: 'wait', milliseconds: 0 }] as const;
      const trace = await explore([first, [push], meanwhile], order, rules);
      // Once the push was over before the others began, it would be the same again.
      standing = trace.findLastIndex(by('actor 1')) > trace.findIndex(by('actor 2'));
    }
  }
}

async function standsStillWithoutGrace(): Promise<void> {
  const rules: Rules = {
    graceMs: 0,
    pushAgain: true,
    advanceClock: (milliseconds) => mock.timers.tick(milliseconds),
  };
  const old = {
    kind: 'push',
    repository: 'b',
    image: 0,
    tag: '1',
    by: 'post',
    looks: false,
    also: 'nothing',
  } as const;
  for (const before of [[], [old, { kind: 'delete tag', repository: 'b', tag: '1' } as const]]) {
    for (const milliseconds of [0, 2 * HOUR, 25 * HOUR]) {
      const meanwhile = [
        { kind: 'wait', milliseconds } as const,
        { kind: 'collect garbage', untagged: true } as const,
      ];
      await standStillEverywhere(before, meanwhile, rules);
    }
  }
}

async function isKeptForTheGracePeriod(): Promise<void> {
  const rules: Rules = {
    graceMs: 3 * HOUR,
    pushAgain: false,
    advanceClock: (milliseconds) => mock.timers.tick(milliseconds),
  };
  const old = (repository: string) =>
    ({ kind: 'push', repository, image: 0, tag: '1', by: 'post', looks: false, also: 'nothing' }) as const;
  const untag = (repository: string) => ({ kind: 'delete tag', repository, tag: '1' }) as const;
  const before = [
    old('a'),
    old('b'),
    untag('a'),
    untag('b'),
    { kind: 'wait', milliseconds: 170 * 60 * 1000 },
  ] as const;
  const meanwhile = [
    { kind: 'wait', milliseconds: 25 * 60 * 1000 },
    { kind: 'collect garbage', untagged: true },
  ] as const;
  await standStillEverywhere(before, meanwhile, rules);
}

/** What storage promises however its users interleave, by the title of its test. */
export const PROPERTIES: Readonly<Record<string, () => Promise<void>>> = {
  'without a grace period and whatever the clock does, nothing that was answered for is lost': nothingIsLost,
  'with a grace period of three hours no push of less than an hour has to be repeated': nothingIsRepeated,
  'a push may stand still anywhere, for hours or a day, while garbage is collected without grace':
    standsStillWithoutGrace,
  'a push that relies on what is nearly too old has it for the whole grace period from then on':
    isKeptForTheGracePeriod,
};
