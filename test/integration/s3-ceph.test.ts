import { after } from 'node:test';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { describeS3Drivers } from '../support/s3/describe-s3-drivers.ts';

const server = await startCeph({ after });
// Parts that hold all that the contract stores, and such that hold little of it.
await describeS3Drivers(server, [8 * 1024 * 1024, 64 * 1024]);
