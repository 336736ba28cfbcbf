/** The uncompressed tar of a layer, as it came. */
export const TAR = 'layer.tar';

/** The tree of a layer; the bodies of its files are in the tar. */
export const INDEX = 'index.erofs';

/** Where the layer is mounted. */
export const MOUNT_POINT = 'fs';

/** Agents before this one added folders to tars: TAIL is what had stood there, from the byte on that TAIL_START says in decimal digits. */
export const TAIL = 'layer.tail';
export const TAIL_START = 'layer.tail-start';

/** Images that agents before this one mounted, which another program had made. */
export const OLD_IMAGES: readonly string[] = ['layer.erofs', 'whole.erofs'];
