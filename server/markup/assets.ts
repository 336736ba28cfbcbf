import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';

/** A file that pages load. */
export interface Asset {
  readonly type: string;
  readonly content: Buffer;
  readonly gzip: Buffer;
  readonly brotli: Buffer;
}

/** The bundler copies it by this line (deploy/package/bundle.ts). */
const FOLDER = fileURLToPath(new URL('./assets/', import.meta.url));
const TYPES = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

export type AssetKind = keyof typeof TYPES;

/** Path of assets, below the prefix of the server's paths. */
export const ASSETS_PATH = '/assets/';

interface AssetFile {
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

let files: Readonly<Record<AssetKind, AssetFile>> | undefined;

/** Read once, for the first page. */
function assetFiles(): Readonly<Record<AssetKind, AssetFile>> {
  files ??= { css: readAsset('css'), js: readAsset('js'), svg: readAsset('svg') };
  return files;
}

function readAsset(kind: AssetKind): AssetFile {
  const content = readFileSync(join(FOLDER, `berth.${kind}`));
  const digest = createHash('sha256').update(content).digest('base64url').slice(0, 16);
  return { name: `${digest}.${kind}`, type: TYPES[kind], content };
}

/** Returns the path of an asset below the server's prefix. It changes with the content, so browsers may cache it. */
export function assetPath(kind: AssetKind): string {
  return ASSETS_PATH + assetFiles()[kind].name;
}

const compressed = new Map<string, Promise<Asset>>();

/** Returns the asset with a name of `assetPath`, compressed once; undefined for any other. */
export async function findAsset(name: string): Promise<Asset | undefined> {
  const file = Object.values(assetFiles()).find((one) => one.name === name);
  if (file === undefined) return undefined;
  const asset = compressed.get(name) ?? compress(file);
  compressed.set(name, asset);
  return asset;
}

async function compress({ type, content }: AssetFile): Promise<Asset> {
  const [asGzip, brotli] = await Promise.all([
    promisify(gzip)(content, { level: 9 }),
    promisify(brotliCompress)(content),
  ]);
  return { type, content, gzip: asGzip, brotli };
}
