/** An error of auth/. `code` is literal so that callers can map it without knowing the classes. */
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

/** The credentials are wrong. The message never says which part of them. */
export class CredentialsInvalidError extends AuthError {
  readonly code = 'CREDENTIALS_INVALID';
  constructor(message = 'the user name or the password is wrong') {
    super(message);
  }
}

/** Too many attempts have failed; the next one is possible after `retryAfter` seconds. */
export class TooManyAttemptsError extends AuthError {
  readonly code = 'TOO_MANY_ATTEMPTS';
  readonly retryAfter: number;
  constructor(retryAfter: number) {
    super(`too many logins have failed: try again in ${retryAfter} seconds`);
    this.retryAfter = retryAfter;
  }
}

/** The rate limit for tokens is exceeded; the next one is possible after `retryAfter` seconds. */
export class TooManyTokensError extends AuthError {
  readonly code = 'TOO_MANY_TOKENS';
  readonly retryAfter: number;
  constructor(whose: string, retryAfter: number) {
    super(`too many tokens were requested ${whose}: try again in ${retryAfter} seconds`);
    this.retryAfter = retryAfter;
  }
}

/** The bearer token is invalid, or no longer valid. */
export class TokenInvalidError extends AuthError {
  readonly code = 'TOKEN_INVALID';
}

/** The password is not allowed. */
export class PasswordRefusedError extends AuthError {
  readonly code = 'PASSWORD_REFUSED';
}

/** An identity provider does not answer, or answers incorrectly. */
export class ProviderUnreachableError extends AuthError {
  readonly code = 'PROVIDER_UNREACHABLE';
}

/** The answer of an identity provider permits no login here. */
export class LoginRefusedError extends AuthError {
  readonly code = 'LOGIN_REFUSED';
}

/** The account name is taken. */
export class AccountExistsError extends AuthError {
  readonly code = 'ACCOUNT_EXISTS';
}

/** The name of a team, robot or similar entry is taken. */
export class EntryExistsError extends AuthError {
  readonly code = 'ENTRY_EXISTS';
}

/** There is no account, team, token or similar entry with this name. */
export class EntryUnknownError extends AuthError {
  readonly code = 'ENTRY_UNKNOWN';
}

/** A name, pattern, role or similar setting is invalid. */
export class SettingInvalidError extends AuthError {
  readonly code = 'SETTING_INVALID';
}
