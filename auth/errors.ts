/** What auth/ can refuse. `code` is literal so that an edge can map it without knowing the classes. */
export abstract class AuthError extends Error {
  abstract readonly code: AuthErrorCode;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export type AuthErrorCode =
  | 'ACCOUNT_EXISTS'
  | 'CREDENTIALS_INVALID'
  | 'ENTRY_EXISTS'
  | 'ENTRY_UNKNOWN'
  | 'LOGIN_REFUSED'
  | 'PASSWORD_REFUSED'
  | 'PROVIDER_UNREACHABLE'
  | 'SETTING_INVALID'
  | 'TOKEN_INVALID'
  | 'TOO_MANY_ATTEMPTS'
  | 'TOO_MANY_TOKENS';

/** The credentials were given and are wrong. Never says which part of them. */
export class CredentialsInvalidError extends AuthError {
  readonly code = 'CREDENTIALS_INVALID';
  constructor(message = 'the user name or the password is wrong') {
    super(message);
  }
}

/** Too many attempts have failed; the next one is looked at after `retryAfter` seconds. */
export class TooManyAttemptsError extends AuthError {
  readonly code = 'TOO_MANY_ATTEMPTS';
  readonly retryAfter: number;
  constructor(retryAfter: number) {
    super(`too many logins have failed: try again in ${retryAfter} seconds`);
    this.retryAfter = retryAfter;
  }
}

/** More tokens were asked for than are given in a while; the next one is after `retryAfter` seconds. */
export class TooManyTokensError extends AuthError {
  readonly code = 'TOO_MANY_TOKENS';
  readonly retryAfter: number;
  constructor(whose: string, retryAfter: number) {
    super(`too many tokens were asked for ${whose}: try again in ${retryAfter} seconds`);
    this.retryAfter = retryAfter;
  }
}

/** The bearer token was given and is not one that counts here, or no more. */
export class TokenInvalidError extends AuthError {
  readonly code = 'TOKEN_INVALID';
}

/** The password may not be chosen. */
export class PasswordRefusedError extends AuthError {
  readonly code = 'PASSWORD_REFUSED';
}

/** An identity provider does not answer, or not as it should. */
export class ProviderUnreachableError extends AuthError {
  readonly code = 'PROVIDER_UNREACHABLE';
}

/** What came back from an identity provider leads to no login here. */
export class LoginRefusedError extends AuthError {
  readonly code = 'LOGIN_REFUSED';
}

/** There is an account of this name already. */
export class AccountExistsError extends AuthError {
  readonly code = 'ACCOUNT_EXISTS';
}

/** There is a team, robot or the like of this name already. */
export class EntryExistsError extends AuthError {
  readonly code = 'ENTRY_EXISTS';
}

/** There is no account, team, token or the like of this name. */
export class EntryUnknownError extends AuthError {
  readonly code = 'ENTRY_UNKNOWN';
}

/** A name, pattern, role or the like that cannot be. */
export class SettingInvalidError extends AuthError {
  readonly code = 'SETTING_INVALID';
}
