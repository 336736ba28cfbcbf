import type { WebSocket } from 'ws';
import { creditOf, decodeFrame, encodeFrame } from '../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, PING_INTERVAL } from '../../fleet/messages.ts';
import { ChannelWindow, type HostChannel, isData } from './host-channel.ts';

/** Maximum bytes that wait for a person to read: credit is granted for bytes that were read. */
const MAX_UNREAD = 4 * CHANNEL_WINDOW;
/** Maximum frames without data, such as sizes of a terminal, in a burst and per second. */
const BURST = 200;
const PER_SECOND = 50;

/**
 * Relays the frames of a channel between a person's WebSocket, where it has number 0, and a host. Each side is limited
 * to its credit, so neither fills the memory. Ends both when one ends, or when `allowed` aborts; resolves then.
 */
export function relayExec(person: WebSocket, channel: HostChannel, allowed: AbortSignal): Promise<void> {
  const up = new ChannelWindow();
  let budget = BURST;
  let filledAt = performance.now();
  let heardAt = performance.now();

  const take = (): boolean => {
    const now = performance.now();
    budget = Math.min(BURST, budget + ((now - filledAt) * PER_SECOND) / 1000);
    filledAt = now;
    budget -= 1;
    return budget >= 0;
  };
  const refuse = (sentence: string) => {
    channel.close();
    person.close(1008, sentence);
  };
  const toPerson = (frame: Buffer) => {
    if (person.readyState !== person.OPEN) return;
    person.send(frame);
    if (person.bufferedAmount > MAX_UNREAD) person.terminate();
  };

  channel.receive(({ kind, payload }) => {
    if (kind === 'credit') up.give(creditOf({ channel: 0, kind, payload }) ?? 0);
    toPerson(encodeFrame(0, kind, payload));
    if (kind === 'close') person.close(1000);
  });
  person.on('message', (data, isBinary) => {
    heardAt = performance.now();
    const frame = isBinary ? decodeFrame(data as Buffer) : undefined;
    if (frame === undefined || frame.channel !== 0) return refuse('send binary frames of channel 0');
    const { kind, payload } = frame;
    if (kind === 'credit') {
      if (!channel.allow(creditOf(frame) ?? 0)) refuse('more credit than data');
    } else if (kind === 'close') {
      channel.close();
      person.close(1000);
    } else if (kind === 'stdin') {
      if (payload.length === 0 || !up.take(payload.length))
        return refuse('more data than the host has allowed');
      channel.send(kind, payload);
    } else if (kind === 'size' || kind === 'end') {
      if (take()) channel.send(kind, payload);
      else refuse('too many frames');
    } else if (isData(frame)) refuse('only stdin may be sent');
  });
  person.on('ping', (data) => {
    heardAt = performance.now();
    if (take()) person.pong(data);
    else refuse('too many pings');
  });
  person.on('pong', () => {
    heardAt = performance.now();
  });
  // The close event follows.
  person.on('error', () => {});
  const timer = setInterval(() => {
    if (performance.now() - heardAt > 3 * PING_INTERVAL) person.terminate();
    else if (person.readyState === person.OPEN) person.ping();
  }, PING_INTERVAL);
  timer.unref();
  const stop = () => refuse('your login, or your right to this, has ended');
  allowed.addEventListener('abort', stop, { once: true });
  return new Promise((resolve) =>
    person.once('close', () => {
      allowed.removeEventListener('abort', stop);
      clearInterval(timer);
      channel.close();
      resolve();
    }),
  );
}
