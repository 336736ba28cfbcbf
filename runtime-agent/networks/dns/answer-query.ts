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

/** What a container can know of others in its networks. */
export interface Names {
  /** Addresses of both families; undefined where nobody has the name. */
  addressesOf(name: string): readonly string[] | undefined;
  /** Undefined where nobody has the address. */
  nameOf(address: string): string | undefined;
}

/** The answer from the names that the agent knows; undefined where the query is for others to answer. */
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
  // A name that is known and has no address of this family is answered with none: others must not be asked for it.
  return addresses === undefined
    ? undefined
    : addressAnswer(
        query,
        question,
        addresses.filter((address) => isIPv4(address) === (question.type === DNS_TYPE.A)),
      );
}
