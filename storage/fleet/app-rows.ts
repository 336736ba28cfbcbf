import type { StoredRollout, StoredSecret } from '../../fleet/app-store.ts';
import type { App, Release, ReleaseState } from '../../fleet/release.ts';

export interface AppRow {
  readonly name: string;
  readonly constraints: string;
  readonly follow: App['follow'];
  readonly latest: number;
  readonly current: number | null;
  readonly created_at: number | string;
}

export interface ReleaseRow {
  readonly app: string;
  readonly number: number;
  readonly spec: string;
  readonly images: string;
  readonly secrets: string;
  readonly cause: string;
  readonly state: ReleaseState;
  readonly reason: string | null;
  readonly created_at: number | string;
  readonly ended_at: number | string | null;
}

export interface SecretRow {
  readonly name: string;
  readonly version: number;
  readonly sealed: string;
  readonly created_at: number | string;
  readonly created_by: string;
}

export function appOf(row: AppRow): App {
  return {
    name: row.name,
    on: JSON.parse(row.constraints),
    follow: row.follow,
    latest: row.latest,
    ...(row.current !== null && { current: row.current }),
    createdAt: new Date(Number(row.created_at)),
  };
}

export function releaseOf(row: ReleaseRow): Release {
  return {
    app: row.app,
    number: row.number,
    spec: JSON.parse(row.spec),
    images: JSON.parse(row.images),
    secrets: JSON.parse(row.secrets),
    cause: JSON.parse(row.cause),
    createdAt: new Date(Number(row.created_at)),
    state: row.state,
    ...(row.reason !== null && { reason: row.reason }),
    ...(row.ended_at !== null && { endedAt: new Date(Number(row.ended_at)) }),
  };
}

export function rolloutOf(row: {
  readonly app: string;
  readonly release: number;
  readonly state: string;
  readonly revision: number | string;
}): StoredRollout {
  return {
    app: row.app,
    release: row.release,
    state: JSON.parse(row.state),
    revision: Number(row.revision),
  };
}

export function secretOf({ name, version, sealed, created_at, created_by }: SecretRow): StoredSecret {
  return { name, version, sealed, createdAt: new Date(Number(created_at)), createdBy: created_by };
}
