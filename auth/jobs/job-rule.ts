import type { Role } from '../access/role.ts';

/**
 * Gives jobs of another system (CI, a cluster) a role: that system issues each job an OpenID Connect token, which the
 * job presents as its password. There is no secret to store.
 */
export interface JobRule {
  readonly name: string;
  /** The system's identifier, an https URL, where its keys are found (OpenID Connect Discovery, section 4). */
  readonly issuer: string;
  /** The required audience of the token. */
  readonly audience: string;
  /** Required claims, at least one: a value in which `*` stands for any characters. */
  readonly claims: Readonly<Record<string, string>>;
  readonly role: Role;
  readonly pattern: string;
}

/** Stores job rules. Each method is one durable step. */
export interface JobRuleStore {
  /** Lists rules by name; with `issuer`, only those that trust it. */
  list(issuer?: string): Promise<readonly JobRule[]>;
  /** Throws EntryExistsError when the name is taken, SettingInvalidError when there are too many. */
  create(rule: JobRule): Promise<void>;
  /** Returns whether it existed. */
  remove(name: string): Promise<boolean>;
}
