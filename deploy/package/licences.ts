import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockedPackage } from './locked-packages.ts';

/** An npm package in the bundle, with its licences. */
export interface Component extends LockedPackage {
  /** Its licence and notice files. */
  readonly texts: readonly string[];
}

/** The texts of the licences and notices in the folder of a package. */
export async function licenceTexts(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name)).sort();
  return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
}

/** Returns the software bill of materials of a program: SPDX 2.3 as JSON. Reproducible. */
export function spdxDocument({
  program,
  version,
  epoch,
  components,
}: {
  readonly program: string;
  readonly version: string;
  /** When the sources were committed; seconds since 1970. */
  readonly epoch: number;
  readonly components: readonly Component[];
}): string {
  const own = {
    SPDXID: 'SPDXRef-Package',
    name: program,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'Apache-2.0',
    licenseDeclared: 'Apache-2.0',
    copyrightText: 'NOASSERTION',
  };
  const packages = components.map(({ integrity, licence, name, version: release }, index) => ({
    SPDXID: `SPDXRef-Package-${index + 1}`,
    name,
    versionInfo: release,
    // The package URL below identifies it, whatever the registry.
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: licence,
    licenseDeclared: licence,
    copyrightText: 'NOASSERTION',
    checksums: [{ algorithm: 'SHA512', checksumValue: hexOf(integrity) }],
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${name.replace('@', '%40')}@${release}`,
      },
    ],
  }));
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${program}-${version}`,
    documentNamespace: `https://spdx.org/spdxdocs/${program}-${version}`,
    creationInfo: { created: dateOf(epoch), creators: ['Tool: berth-package'] },
    packages: [own, ...packages],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: own.SPDXID },
      ...packages.map(({ SPDXID }) => ({
        spdxElementId: own.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function hexOf(integrity: string): string {
  return Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');
}

function dateOf(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
}
