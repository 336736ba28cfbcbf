import { ErofsSnapshotter } from '../../../../runtime-agent/snapshots/erofs/erofs-snapshotter.ts';
import { describeSnapshotter } from '../../../contract/snapshotter.ts';

describeSnapshotter('EROFS snapshotter', (directory) => ErofsSnapshotter.open(directory));
