/** The uncompressed tar of a layer. */
export const TAR = 'layer.tar';

/** What stood in the tar where folders were added to it. */
export const TAIL = 'layer.tail';

/** Where TAIL stood, in decimal digits; what is behind it in the tar is not the layer's. */
export const TAIL_START = 'layer.tail-start';

/** Names and attributes of a layer; the data are in the tar. */
export const INDEX = 'layer.erofs';

/** A layer with its data, where an index over the tar would not do; it stands instead of INDEX. */
export const WHOLE = 'whole.erofs';

/** Where the layer is mounted. */
export const MOUNT_POINT = 'fs';
