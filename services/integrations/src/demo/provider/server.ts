import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Problem, problem, type UserId } from '@oo/contracts';
import type { Ledger } from './ledger.js';

/** What the provider's HTTP stands on. */
export interface ProviderParts {
  readonly user: UserId;
  readonly ledger: Ledger;
  /** Marks a task done, as if the person had ticked it off in the provider's own app. False where it is not open. */
  readonly done: (taskId: string) => Promise<boolean>;
}

/**
 * The demo provider's HTTP, on the loopback interface alone:
 * `GET /people/{user}/tasks`, `GET /people/{user}/tasks/{id}`, `POST /people/{user}/tasks/{id}/done`,
 * `GET /people/{user}/habits`, `GET /people/{user}/calendar`.
 */
export function providerServer(parts: ProviderParts): Server {
  return createServer((request, response) => {
    request.resume();
    answer(parts, request).then(
      ({ status, body }) => send(response, status, body),
      () => {
        const body = problem('internal', 'The demo provider could not answer. See its log.');
        send(response, body.status, body);
      },
    );
  });
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(parts: ProviderParts, request: IncomingMessage): Promise<Answer> {
  const { pathname } = new URL(request.url ?? '/', 'http://provider');
  const [, people, user, collection, id, action, ...rest] = pathname.split('/');
  if (people !== 'people' || user !== parts.user || rest.length > 0) return refusal(nothingHere);
  const { ledger } = parts;
  if (action === undefined && request.method !== 'GET') return refusal(nothingHere);
  if (collection === 'habits' && id === undefined) return found({ habits: ledger.habits() });
  if (collection === 'calendar' && id === undefined) return found({ appointments: ledger.appointments() });
  if (collection !== 'tasks') return refusal(nothingHere);
  if (id === undefined) return found({ tasks: ledger.openTasks() });
  const task = ledger.task(id);
  if (task === undefined) return refusal(problem('not-found', 'This task is not here, or no longer.'));
  if (action === undefined) return found(task);
  if (action !== 'done' || request.method !== 'POST') return refusal(nothingHere);
  return (await parts.done(id))
    ? { status: 204, body: undefined }
    : refusal(problem('conflict', 'The task was closed before.'));
}

const nothingHere = problem(
  'not-found',
  'There are tasks, habits and calendar under /people/USER, and POST …/tasks/ID/done.',
);
const found = (body: unknown): Answer => ({ status: 200, body });
const refusal = (body: Problem): Answer => ({ status: body.status, body });

function send(response: ServerResponse, status: number, body: unknown): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
