/** gRPC's length-prefixed message: a byte that says it is not compressed, and 32 bits of length, before the message. */
const PREFIX = 5;

/**
 * Messages that grpc-js writes at once. It writes each message of a call by itself and waits until it is written, which
 * costs more than making the message. It puts one prefix before the bytes that it is given and has them copied behind
 * it; these bytes, when copied, put down their own prefixes, that of the first message too.
 */
export function inOneWrite(messages: readonly Buffer[]): Buffer {
  const [first] = messages;
  if (first === undefined) throw new Error('there is no message to write');
  if (messages.length === 1) return first;
  let size = 0;
  for (const message of messages) size += PREFIX + message.length;
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (const message of messages) {
    frames[at] = 0;
    frames.writeUInt32BE(message.length, at + 1);
    frames.set(message, at + PREFIX);
    at += PREFIX + message.length;
  }
  const copy: Buffer['copy'] = (target, targetStart = 0) => frames.copy(target, targetStart - PREFIX);
  return Object.assign(frames.subarray(PREFIX), { copy });
}
