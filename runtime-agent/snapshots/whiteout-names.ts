/** `.wh.NAME` deletes NAME of the layers below (image-spec, layer.md, "Whiteouts"). */
export const WHITEOUT_PREFIX = '.wh.';

/** Deletes all that the layers below have in its folder. */
export const OPAQUE_MARK = '.wh..wh..opq';

/** Names by which AUFS kept notes for itself; they are no part of a layer. */
export const AUFS_PREFIX = '.wh..wh.';
