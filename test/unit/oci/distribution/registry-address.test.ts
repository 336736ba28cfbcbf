import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loginRegistry, registryAddress } from '../../../../oci/distribution/registry-address.ts';

describe('registryAddress', () => {
  it('allows plain HTTP on loopback and where the operator says so, nowhere else', () => {
    const insecure = [
      '127.0.0.1:5000',
      '127.8.9.1',
      'localhost',
      'localhost:80',
      '[::1]:5000',
      'registry.lan:5000',
    ];
    const secure = [
      'registry.lan',
      'registry.lan:5001',
      'docker.io',
      '127.0.0.1.example.com',
      'localhost.example.com',
      '10.0.0.1:5000',
      '[::2]:5000',
      '128.0.0.1',
    ];
    for (const registry of insecure) {
      const { schemes, verifyCertificate } = registryAddress(registry, ['registry.lan:5000']);
      assert.deepEqual([schemes, verifyCertificate], [['https', 'http'], false], registry);
    }
    for (const registry of secure) {
      const { schemes, verifyCertificate } = registryAddress(registry, ['registry.lan:5000']);
      assert.deepEqual([schemes, verifyCertificate], [['https'], true], registry);
    }
  });

  it('knows where docker.io is', () => {
    assert.equal(registryAddress('docker.io', []).host, 'registry-1.docker.io');
    assert.equal(registryAddress('docker.io:443', []).host, 'docker.io:443');
  });
});

describe('loginRegistry', () => {
  it('reads what docker login sends', () => {
    const meant = {
      '': 'docker.io',
      'https://index.docker.io/v1/': 'docker.io',
      'registry-1.docker.io': 'docker.io',
      '127.0.0.1:5000': '127.0.0.1:5000',
      'http://127.0.0.1:5000/v1/': '127.0.0.1:5000',
      'https://registry.lan': 'registry.lan',
      '[::1]:5000': '[::1]:5000',
    };
    for (const [server, registry] of Object.entries(meant)) assert.equal(loginRegistry(server), registry);
  });

  it('refuses what is no host', () => {
    for (const server of ['user@host', 'a b', 'host:port', 'host?x', 'ho\nst', ':::']) {
      assert.throws(() => loginRegistry(server), { name: 'DistributionError', code: 'bad-request' }, server);
    }
  });
});
