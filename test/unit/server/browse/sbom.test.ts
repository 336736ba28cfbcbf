import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSbom } from '../../../../server/browse/sbom.ts';

const read = (document: unknown) => readSbom(Buffer.from(JSON.stringify(document)));
const SPDX = {
  spdxVersion: 'SPDX-2.3',
  packages: [
    { name: 'zlib', versionInfo: '1.3', licenseConcluded: 'NOASSERTION', licenseDeclared: 'Zlib' },
    { name: 'own', licenseConcluded: 'NONE' },
  ],
};

describe('an SBOM', () => {
  test('lists packages of SPDX, CycloneDX and Syft with their licences', () => {
    const packages = [{ name: 'zlib', version: '1.3', licence: 'Zlib' }, { name: 'own' }];
    assert.deepEqual(read(SPDX), { format: 'SPDX', packages, packageCount: 2 });
    const components = [
      {
        group: '@a',
        name: 'b',
        version: '2',
        licenses: [{ license: { id: 'MIT' } }, { license: { name: 'Own' } }],
      },
      { name: 'c', licenses: [{ expression: 'MIT OR Apache-2.0' }] },
    ];
    assert.deepEqual(read({ bomFormat: 'CycloneDX', components }), {
      format: 'CycloneDX',
      packages: [
        { name: '@a/b', version: '2', licence: 'MIT, Own' },
        { name: 'c', licence: 'MIT OR Apache-2.0' },
      ],
      packageCount: 2,
    });
    const artifacts = [{ name: 'bash', version: '5.2', licenses: ['GPL-3.0', { value: 'BSD' }] }];
    assert.deepEqual(read({ artifacts }), {
      format: 'Syft',
      packages: [{ name: 'bash', version: '5.2', licence: 'GPL-3.0, BSD' }],
      packageCount: 1,
    });
  });

  test('lists packages of SPDX 3, with the licences that relationships give them', () => {
    const element = (type: string, id: string, more: object) => ({ type, spdxId: `urn:${id}`, ...more });
    const licensed = (kind: string, from: unknown, ...to: readonly unknown[]) =>
      element('Relationship', 'r', { relationshipType: `has${kind}License`, from, to });
    const graph = [
      element('software_Package', 'zlib', { name: 'zlib', software_packageVersion: '1.3' }),
      element('software_File', 'file', { name: 'a file' }),
      element('ai_AIPackage', 'model', { name: 'model', software_packageVersion: 7 }),
      element('software_Package', 'own', { name: 'own' }),
      element('software_Package', 'free', { name: 'free' }),
      element('simplelicensing_LicenseExpression', 'l', { simplelicensing_licenseExpression: 'Zlib OR MIT' }),
      licensed('Declared', 'urn:zlib', 'https://spdx.org/licenses/MIT'),
      licensed('Concluded', 'urn:zlib', 'urn:l'),
      licensed('Declared', { spdxId: 'urn:model' }, 'https://spdx.org/licenses/MIT', 'urn:l'),
      licensed('Concluded', 'urn:own', 'https://spdx.org/rdf/3.0.1/terms/Licensing/NoAssertion'),
      licensed('Declared', 'urn:free', { simplelicensing_licenseExpression: 'NOASSERTION' }),
      ...[null, 7, [], {}, { from: 1, relationshipType: 'hasDeclaredLicense' }],
    ];
    const document = { '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld', '@graph': graph };
    const packages = [
      { name: 'zlib', version: '1.3', licence: 'Zlib OR MIT' },
      { name: 'model', licence: 'MIT, Zlib OR MIT' },
      { name: 'own' },
      { name: 'free' },
    ];
    assert.deepEqual(read(document), { format: 'SPDX', packages, packageCount: 4 });
    assert.deepEqual(read({ ...document, '@graph': 7 }).packages, []);
    // The same long text as the licence of each package.
    const many = Array.from({ length: 5000 }, (_, index) => [
      element('software_Package', `${index}`, { name: 'x' }),
      licensed('Declared', `urn:${index}`, ...Array(100).fill('urn:long')),
    ]).flat();
    const long = element('license', 'long', { simplelicensing_licenseExpression: 'x'.repeat(1_000_000) });
    const bounded = read({ ...document, '@graph': [...many, long] });
    assert.equal(bounded.packageCount, 5000);
    assert.ok(JSON.stringify(bounded).length < 150_000);
  });

  test('is found in a statement, in its envelope, and in a bundle with that', () => {
    const statement = { predicateType: 'https://spdx.dev/Document', predicate: SPDX };
    const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
    const envelope = { payload, payloadType: 'application/vnd.in-toto+json', signatures: [] };
    for (const document of [statement, envelope, { dsseEnvelope: envelope }]) {
      assert.deepEqual(read(document), read(SPDX));
    }
  });

  test('of a stranger is bounded, and what is not as it should be is left out', () => {
    const packages = [null, 7, [], { name: 8 }, { name: 'n'.repeat(1000), versionInfo: {} }];
    assert.deepEqual(read({ spdxVersion: '2', packages }), {
      format: 'SPDX',
      packages: [{ name: '' }, { name: 'n'.repeat(256) }],
      packageCount: 2,
    });
    const many = read({ bomFormat: 'CycloneDX', components: Array(20_000).fill({ name: 'x'.repeat(100) }) });
    assert.equal(many.packageCount, 20_000);
    assert.ok(many.packages.length > 100 && many.packages.length <= 1000, `${many.packages.length} packages`);
    for (const document of [{}, { packages: [] }, { predicate: { predicate: SPDX } }, { spdxVersion: 2 }]) {
      assert.match(read(document).problem ?? '', /not the JSON of SPDX, CycloneDX or Syft/);
    }
    assert.deepEqual(read({ spdxVersion: '2', packages: 'none' }).packages, []);
    const nameless = read({ bomFormat: 'CycloneDX', components: [{ group: '@a' }] });
    assert.deepEqual(nameless.packages, [{ name: '' }]);
    let nested = Buffer.from('{}');
    for (let depth = 0; depth < 30; depth += 1) {
      nested = Buffer.from(JSON.stringify({ payload: nested.toString('base64'), signatures: [] }));
    }
    for (const body of [
      nested,
      Buffer.from(`${'{"dsseEnvelope":'.repeat(100_000)}{}${'}'.repeat(100_000)}`),
      Buffer.from('no JSON'),
      Buffer.from(`{"packages":${'['.repeat(500_000)}`),
      Buffer.from('[]'),
      Buffer.from(JSON.stringify({ payload: '!!', signatures: [] })),
    ]) {
      assert.equal(typeof readSbom(body).problem, 'string');
    }
  });
});
