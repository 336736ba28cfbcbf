export interface PullSecret {
  /** As image names begin: `HOST` or `HOST:PORT`. */
  readonly server: string;
  /** Of the Secret. */
  readonly name: string;
  readonly namespace?: string;
  readonly user: string;
  readonly secret: string;
}

/**
 * The manifest of a Secret of the type kubernetes.io/dockerconfigjson, for `imagePullSecrets` (Kubernetes, "Pull an
 * Image from a Private Registry").
 */
export function pullSecret({ server, name, namespace, user, secret }: PullSecret): string {
  const auth = Buffer.from(`${user}:${secret}`).toString('base64');
  const config = JSON.stringify({ auths: { [server]: { username: user, password: secret, auth } } });
  return [
    'apiVersion: v1',
    'kind: Secret',
    'metadata:',
    `  name: ${name}`,
    ...(namespace === undefined ? [] : [`  namespace: ${namespace}`]),
    'type: kubernetes.io/dockerconfigjson',
    'data:',
    `  .dockerconfigjson: ${Buffer.from(config).toString('base64')}`,
  ].join('\n');
}
