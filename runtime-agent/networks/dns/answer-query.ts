import { isIPv4 } from 'node:net';
import {
  addressAnswer,
  DNS_CODE,
  DNS_TYPE,
  emptyAnswer,
  nameAnswer,
  readQuestion,
  reversedAddress,
} from './dns-message.ts';

/** The names and addresses that a container may know. */
export interface Names {
  /** Addresses of both families; undefined if the name is unknown. */
  addressesOf(name: string): readonly string[] | undefined;
  /** Undefined if the address is unknown. */
  nameOf(address: string): string | undefined;
}

/** Answers a query from the names that the agent knows; undefined if other servers must answer it. */
export function answerQuery(query: Buffer, names: Names): Buffer | undefined {
  const question = readQuestion(query);
  if (question === undefined) return emptyAnswer(query, DNS_CODE.formatError);
  if (question.type === DNS_TYPE.PTR) {
    const address = reversedAddress(question.name);
    const name = address === undefined ? undefined : names.nameOf(address);
    return name === undefined ? undefined : nameAnswer(query, question, name);
  }
  if (question.type !== DNS_TYPE.A && question.type !== DNS_TYPE.AAAA) return undefined;
  const addresses = names.addressesOf(question.name);
  // A known name without an address of this family gets an empty answer: other servers must not be queried for it.
  return addresses === undefined
    ? undefined
    : addressAnswer(
        query,
        question,
        addresses.filter((address) => isIPv4(address) === (question.type === DNS_TYPE.A)),
      );
}
