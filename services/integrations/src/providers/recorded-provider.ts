import { once } from 'node:events';
import { createServer } from 'node:http';

/** A provider for tests: it answers every request with what it was last told to. */
export interface RecordedProvider {
  readonly url: string;
  answerWith(status: number, body: string): void;
  /** From now on it takes requests and says nothing. */
  fallSilent(): void;
  /** Path of the last request. */
  lastPath(): string | undefined;
  close(): Promise<void>;
}

export async function serveRecorded(): Promise<RecordedProvider> {
  let answer: { status: number; body: string } | undefined;
  let path: string | undefined;
  const server = createServer((request, response) => {
    path = request.url;
    if (answer === undefined) return;
    response.writeHead(answer.status, { 'content-type': 'application/json', location: '/elsewhere' });
    response.end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the provider has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    answerWith: (status, body) => {
      answer = { status, body };
    },
    fallSilent: () => {
      answer = undefined;
    },
    lastPath: () => path,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
