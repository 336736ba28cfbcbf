import * as apps from 'kubernetes-models/apps/v1';
import * as batch from 'kubernetes-models/batch/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';

/** An object as it stands in a manifest. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}

interface Model {
  validate(): void;
}

type ModelClass = new (data: never) => Model;

const GROUPS: Readonly<Record<string, object>> = {
  v1: core,
  'apps/v1': apps,
  'batch/v1': batch,
  'networking.k8s.io/v1': networking,
  'policy/v1': policy,
};

/**
 * What is wrong with an object by the schemas of the Kubernetes API, each as a sentence: values of a wrong form, and
 * fields that the API does not have, which its schemas let pass.
 */
export function kubernetesProblems(object: KubernetesObject): readonly string[] {
  const group = GROUPS[object.apiVersion] as Readonly<Record<string, ModelClass>> | undefined;
  const model = group?.[object.kind];
  if (model === undefined) return [`${object.apiVersion} has no ${object.kind}`];
  const refusal = (value: object): string | undefined => {
    try {
      new model(value as never).validate();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const wrong = refusal(object);
  if (wrong !== undefined) return [wrong];
  // A field that the schema knows is of some type; this is none of them.
  const known = (path: readonly string[]) => refusal(withNonsense(object, path) as object) !== undefined;
  return fieldsOf(object)
    .filter((path) => !known(path))
    .map((path) => `${object.kind} has no field ${path.join('.')}`);
}

function fieldsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    [...path, key],
    ...fieldsOf(inner, [...path, key]),
  ]);
}

function withNonsense(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return () => undefined;
  if (Array.isArray(value))
    return value.map((inner, index) => (`${index}` === key ? withNonsense(inner, rest) : inner));
  const object = value as Readonly<Record<string, unknown>>;
  return { ...object, [key]: withNonsense(object[key], rest) };
}
