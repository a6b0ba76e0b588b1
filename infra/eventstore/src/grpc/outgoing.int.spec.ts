import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { RpcError } from './errors.js';
import { Outgoing } from './outgoing.js';

const same = (bytes: Buffer): Buffer => bytes;
const METHOD = {
  path: '/test/read',
  requestStream: false,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Call = ServerWritableStream<Buffer, Buffer>;

/** What a client of grpc-js receives from a call, each message by itself, and how many writes it took. */
async function received(
  serve: (out: Outgoing) => void,
  schedule?: (flush: () => void) => void,
): Promise<{ messages: Buffer[]; writes: number; error: string | undefined }> {
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  closing.push(() => server.forceShutdown());
  let writes = 0;
  server.addService(
    { read: METHOD },
    {
      read: (call: Call) => {
        const { write } = call;
        call.write = ((...given: Parameters<Call['write']>) => {
          writes++;
          return write.apply(call, given);
        }) as Call['write'];
        serve(new Outgoing(call, schedule));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  closing.push(() => client.close());
  const messages: Buffer[] = [];
  const stream = client.makeServerStreamRequest(METHOD.path, same, same, Buffer.alloc(0));
  const error = await new Promise<string | undefined>((resolve) => {
    stream.on('data', (message: Buffer) => messages.push(message));
    stream.on('error', (failure: Error & { details?: string }) => resolve(failure.details));
    stream.on('end', () => resolve(undefined));
  });
  return { messages, writes, error };
}

const patterned = (length: number, n: number): Buffer => Buffer.alloc(length, String(n));
/** None, one byte, about a frame of HTTP/2 and more than it, more than is gathered. */
const SIZES = [5, 0, 1, 700, 16_379, 16_384, 300, 70_000, 0, 20];

describe('Outgoing', () => {
  for (const [name, schedule] of [
    ['at the end of the turn', undefined],
    ['later', setImmediate],
  ] as const) {
    it(`sends what comes together in few writes, ${name}, and a client sees each message`, async () => {
      const sent = Array.from({ length: 500 }, (_, n) => patterned(SIZES[n % SIZES.length] ?? 0, n));
      const { messages, writes, error } = await received((out) => {
        for (const message of sent) out.send(message);
        out.finish();
      }, schedule);
      expect(error).toBeUndefined();
      expect(messages.length).toBe(sent.length);
      for (const [n, message] of messages.entries())
        expect(message.equals(sent[n] ?? Buffer.alloc(1))).toBe(true);
      expect(writes).toBeLessThan(sent.length / 2);
    });
  }

  it('sends what was gathered before an error', async () => {
    const { messages, error } = await received((out) => {
      out.send(patterned(3, 1));
      out.send(patterned(4, 2));
      out.fail(new RpcError(5, 'gone'));
    });
    expect(messages.map(String)).toEqual(['111', '2222']);
    expect(error).toBe('gone');
  });

  it('has no room while a megabyte waits, and again once it is read', async () => {
    let roomAtFirst: boolean | undefined;
    let sent = 0;
    const { messages } = await received((out) => {
      for (; out.room && sent < 100_000; sent++) {
        out.send(patterned(1000, 1));
      }
      roomAtFirst = out.room;
      void out.drained().then(() => {
        out.send(patterned(1, 9));
        out.finish();
      });
    });
    expect(roomAtFirst).toBe(false);
    expect(sent).toBeLessThan(1100);
    expect(messages.length).toBe(sent + 1);
  });
});
