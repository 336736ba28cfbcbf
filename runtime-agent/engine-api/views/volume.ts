import { ANONYMOUS_LABEL, type Volume } from '../../volumes/volume.ts';

/** A volume (Engine API, Volume). */
export function volumeJson(volume: Volume): object {
  const orNull = (map: Readonly<Record<string, string>>) => (Object.keys(map).length === 0 ? null : map);
  return {
    CreatedAt: volume.createdAt,
    Driver: 'local',
    Labels: volume.anonymous ? { [ANONYMOUS_LABEL]: '', ...volume.labels } : orNull(volume.labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: 'local',
  };
}
