/** What auth/ can refuse. `code` is literal so that an edge can map it without knowing the classes. */
export abstract class AuthError extends Error {
  abstract readonly code: AuthErrorCode;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export type AuthErrorCode = 'ACCOUNT_EXISTS' | 'CREDENTIALS_INVALID' | 'PASSWORD_REFUSED';

/** The credentials were given and are wrong. Never says which part of them. */
export class CredentialsInvalidError extends AuthError {
  readonly code = 'CREDENTIALS_INVALID';
  constructor(message = 'the user name or the password is wrong') {
    super(message);
  }
}

/** The password may not be chosen. */
export class PasswordRefusedError extends AuthError {
  readonly code = 'PASSWORD_REFUSED';
}

/** There is an account of this name already. */
export class AccountExistsError extends AuthError {
  readonly code = 'ACCOUNT_EXISTS';
}
