import fc from 'fast-check';

// The same cases in each run of `npm test`, so that a change is blamed for its own faults only; BERTH_SEED tries others.
fc.configureGlobal({ seed: Number(process.env.BERTH_SEED ?? 1) });

export { fc };
