import { UnpackedLayers } from '../../../../runtime-agent/snapshots/unpacked/unpacked-layers.ts';
import { describeLayerStore } from '../../../contract/layer-store.ts';

describeLayerStore('unpacked layers', (directory) => UnpackedLayers.open(directory), 12);
