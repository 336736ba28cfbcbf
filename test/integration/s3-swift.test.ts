import { after } from 'node:test';
import { describeS3Drivers } from '../support/s3/describe-s3-drivers.ts';
import { startSwift } from '../support/s3/swift.ts';

const server = await startSwift({ after });
// Swift takes long for each part.
await describeS3Drivers(server, [1024 * 1024]);
