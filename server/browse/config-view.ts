import { isJsonObject, type JsonObject } from '../../oci/json.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { cut, LONGEST_TEXT, MOST_ENTRIES, mapOf, textsOf, within } from './bounded.ts';
import type { ConfigView, HistoryView } from './browse.ts';

/** The readable part of a configuration, and its history. */
export interface ReadConfig {
  readonly view: ConfigView;
  readonly history: readonly HistoryView[];
}

/**
 * Reads the configuration of an image for people: an invalid field is left out, whereas a client that runs the image
 * would refuse it. `layers` is the number of the manifest's layers.
 */
export function readConfig(descriptor: Descriptor, body: JsonObject, layers: number): ReadConfig {
  const config = isJsonObject(body.config) ? body.config : {};
  const platform = [body.os, body.architecture, body.variant].filter(
    (part) => typeof part === 'string' && part,
  );
  return {
    view: {
      ...headOf(descriptor),
      ...(platform.length > 1 && { platform: cut(platform.join('/'), 64) }),
      ...textAs('created', body.created),
      ...textAs('author', body.author),
      ...textAs('user', config.User),
      ...textAs('workingDirectory', config.WorkingDir),
      ...(Array.isArray(config.Entrypoint) && { entrypoint: textsOf(config.Entrypoint) }),
      ...(Array.isArray(config.Cmd) && { command: textsOf(config.Cmd) }),
      environment: textsOf(config.Env),
      exposedPorts: namesOf(config.ExposedPorts),
      volumes: namesOf(config.Volumes),
      labels: mapOf(config.Labels),
      ...textAs('stopSignal', config.StopSignal),
    },
    history: historyOf(body.history, layers),
  };
}

/** Returns a configuration that cannot be shown, with the reason. */
export function unreadConfig(descriptor: Descriptor, problem: string): ReadConfig {
  const view = { ...headOf(descriptor), problem, environment: [], exposedPorts: [], volumes: [], labels: {} };
  return { view, history: [] };
}

function headOf({ digest, mediaType, size }: Descriptor) {
  return { digest, mediaType: cut(mediaType), size };
}

function textAs<Name extends string>(name: Name, value: unknown): { readonly [Key in Name]?: string } {
  return typeof value === 'string' && value !== ''
    ? ({ [name]: cut(value) } as { readonly [Key in Name]?: string })
    : {};
}

function namesOf(value: unknown): readonly string[] {
  return isJsonObject(value) ? textsOf(Object.keys(value)) : [];
}

/**
 * Pairs each entry with the layer that it made: those that are not empty made one each, in order (image-spec,
 * config.md).
 */
function historyOf(value: unknown, layers: number): readonly HistoryView[] {
  if (!Array.isArray(value)) return [];
  let next = 0;
  const entries = value.slice(0, MOST_ENTRIES).map((entry: unknown): HistoryView => {
    const fields = isJsonObject(entry) ? entry : {};
    const layer = fields.empty_layer === true ? undefined : next++;
    return {
      createdBy: typeof fields.created_by === 'string' ? cut(fields.created_by, LONGEST_TEXT) : '',
      ...textAs('created', fields.created),
      ...textAs('author', fields.author),
      ...textAs('comment', fields.comment),
      ...(layer !== undefined && layer < layers && { layer }),
    };
  });
  return within(
    entries,
    ({ createdBy, author = '', comment = '' }) => createdBy.length + author.length + comment.length,
  );
}
