import assert from 'node:assert/strict';
import { chmod, chown, copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeCertificate } from '../support/certificate-authority.ts';
import { imageFolder } from '../support/image-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { pushLayout } from '../support/push-layout.ts';
import { documentBlocks } from '../support/readme-commands.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { runCommand } from '../support/run-command.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket } from '../support/s3/s3-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeMultiArchImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

/** What npx runs: npx itself would not end with the test. */
const BERTH = join(import.meta.dirname, '../../server/cli/berth');
const root = dirname(dirname(import.meta.dirname));

test('who follows the guide to replicas has replicas, and moves there what they had', {
  skip: unlessRoot(),
  timeout: 900_000,
}, async (t) => {
  const [prepare = '', serve = '', move = ''] = (await documentBlocks('docs/how-to/replicas.md')).map(
    ({ text }) => text,
  );
  const tls = await makeCertificate(t);
  const folder = await makeTempDir(t, 'postgres');
  const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  await copyFile(tls.certificate, certificate);
  await copyFile(tls.key, key);
  const uid = Number((await runCommand('id', ['-u', 'postgres'])).stdout);
  for (const file of [certificate, key]) {
    await chown(file, uid, -1);
    await chmod(file, 0o600);
  }
  const settings = { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key };
  const postgres = await startPostgres(t, { folder, settings });
  const superuser = new URL(await postgres.createDatabase());
  const s3 = await startCeph(t);
  Object.assign(process.env, s3.env);
  await makeBucket(s3, 'company');

  const ours = (commands: string, prefix: string) =>
    commands
      // The superuser of the test's server has the name that the guide gives the registry's.
      .replaceAll('role berth', 'role keeper')
      .replaceAll('owner berth', 'owner keeper')
      .replaceAll('postgres://berth:', 'postgres://keeper:')
      .replaceAll('PASSWORD', 'a-password')
      .replaceAll('db.example', `localhost:${superuser.port}`)
      .replaceAll('verify-full', `verify-full&sslrootcert=${tls.authority}`)
      .replaceAll('/berth?region=eu-central-1', `/${prefix}?region=eu-central-1&endpoint=${s3.endpoint}`)
      .replaceAll('BUCKET', 'company')
      .replace('KEY ', `${s3.env.AWS_ACCESS_KEY_ID} `)
      .replace('SECRET\n', `${s3.env.AWS_SECRET_ACCESS_KEY}\n`)
      .replaceAll('0.0.0.0:5000', '127.0.0.1:0');
  const env = {
    PGHOST: '127.0.0.1',
    PGPORT: superuser.port,
    PGUSER: superuser.username,
    PGPASSWORD: superuser.password,
    PGDATABASE: 'postgres',
  };
  const follow = (commands: string, more: Readonly<Record<string, string>> = {}) =>
    runCommand('sh', ['-euc', commands], { cwd: root, env: { ...env, ...more } });

  await follow(ours(prepare, 'berth'));
  const replica = async () => {
    const data = join(await makeTempDir(t, 'machine'), 'berth');
    const running = startProcess(
      t,
      'sh',
      ['-euc', ours(serve, 'berth').replace('npx berth', `exec ${BERTH}`)],
      {
        cwd: root,
        env: { BERTH_DATA: data },
      },
    );
    const [, host = ''] = await running.waitForLine(/berth is ready: http:\/\/(\S+)/);
    return { running, host };
  };
  const [first, second] = [await replica(), await replica()];
  const [, password = ''] = await first.running.waitForLine(/password {2}(\S+)/);
  assert.doesNotMatch(second.running.output(), /password/);
  const user = { name: 'admin', password };
  const image = await makeMultiArchImage(await imageFolder(t));
  await pushLayout(image, `${first.host}/team/app:1`, user);
  assert.equal(await manifestDigest(`http://${second.host}`, 'team/app', '1', user), image.digest);

  // What was on one machine, into another database and another prefix.
  const data = join(await makeTempDir(t, 'before'), 'berth');
  const before = await startRegistry(t, { dataDir: data, adminPassword: 'right-password' });
  const old = { name: 'admin', password: 'right-password' };
  await pushLayout(image, `${before.host}/team/old:1`, old);
  await follow("psql --command 'create database other owner keeper'");
  const other = (commands: string) =>
    ours(commands, 'other')
      .replaceAll(`localhost:${superuser.port}/berth`, `localhost:${superuser.port}/other`)
      .replaceAll('/var/backups/berth', join(folder, 'backup'))
      .replaceAll('/var/lib/berth-replica', join(folder, 'berth-replica'));
  await follow(other(move), { BERTH_DATA: data });
  const moved = startProcess(t, 'sh', ['-euc', other(serve).replace('npx berth', `exec ${BERTH}`)], {
    cwd: root,
    env: { BERTH_DATA: data },
  });
  await before.stop();
  const [, host = ''] = await moved.waitForLine(/berth is ready: http:\/\/(\S+)/);
  assert.equal(await manifestDigest(`http://${host}`, 'team/old', '1', old), image.digest);
});
