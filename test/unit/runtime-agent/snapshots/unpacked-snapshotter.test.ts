import { UnpackedSnapshotter } from '../../../../runtime-agent/snapshots/unpacked/unpacked-snapshotter.ts';
import { describeSnapshotter } from '../../../contract/snapshotter.ts';

describeSnapshotter('unpacked snapshotter', (directory) => UnpackedSnapshotter.open(directory), 12);
