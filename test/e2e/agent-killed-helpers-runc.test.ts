import { after, describe } from 'node:test';
import { testKilledHelpers } from '../support/killed-helpers.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

describe('what is killed in the middle of a start by runc', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() === false) await testKilledHelpers('runc', { after });
});
