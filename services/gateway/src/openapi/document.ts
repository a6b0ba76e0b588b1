import { z } from 'zod';
import { decisionsView, pageQuery, timelineView } from '../history/history.js';
import { MAX_BODY_BYTES } from '../http/problem-of.js';
import { PROBLEM_TYPE } from '../http/problem-response.js';
import { signalInput, signalRecorded } from '../signals/signal-input.js';
import { answerInput, shownInput, tipRecorded } from '../tips/answer-input.js';
import { currentTip, tipQuery } from '../tips/current-tip.js';
import { explanation } from '../tips/explanation.js';

interface Operation {
  /** What a client that is made of the document calls it. */
  readonly operationId: string;
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly query?: z.ZodObject;
  readonly answers: Readonly<Record<number, { readonly means: string; readonly schema?: z.ZodType }>>;
  readonly problems: readonly number[];
  readonly open?: true;
}

const EVERYWHERE = [400, 401, 429, 500, 503];

/** Every operation of the HTTP API. A test holds this list to the routes that there are. */
export const OPERATIONS: readonly Operation[] = [
  {
    operationId: 'recordSignal',
    method: 'post',
    path: '/v1/signals',
    summary: 'Records a signal of the caller’s life',
    body: signalInput,
    answers: {
      200: { means: 'It had been recorded before', schema: signalRecorded },
      201: { means: 'It is recorded', schema: signalRecorded },
    },
    problems: [...EVERYWHERE, 403, 413, 415, 422],
  },
  {
    operationId: 'getTip',
    method: 'get',
    path: '/v1/tip',
    summary: 'The tip that the caller has now, or none',
    query: tipQuery,
    answers: { 200: { means: 'The tip, or null', schema: currentTip } },
    problems: EVERYWHERE,
  },
  {
    operationId: 'recordTipShown',
    method: 'post',
    path: '/v1/tips/{id}/shown',
    summary: 'Records that the tip was seen; once per tip',
    body: shownInput,
    answers: { 201: { means: 'It is recorded, now or before', schema: tipRecorded } },
    problems: [...EVERYWHERE, 404, 413, 415, 422],
  },
  {
    operationId: 'answerTip',
    method: 'post',
    path: '/v1/tips/{id}/answers',
    summary: 'Answers a tip',
    body: answerInput,
    answers: { 201: { means: 'It is recorded, now or before', schema: tipRecorded } },
    problems: [...EVERYWHERE, 404, 409, 413, 415, 422],
  },
  {
    operationId: 'explainDecision',
    method: 'get',
    path: '/v1/tips/{id}/why',
    summary: 'Why a tip was shown, or why nothing was said, in words and codes',
    answers: { 200: { means: 'The reasons out of the decision’s record', schema: explanation } },
    problems: [...EVERYWHERE, 404],
  },
  {
    operationId: 'listTimeline',
    method: 'get',
    path: '/v1/timeline',
    summary: 'What happened, the newest first',
    query: pageQuery,
    answers: { 200: { means: 'A page', schema: timelineView } },
    problems: EVERYWHERE,
  },
  {
    operationId: 'listDecisions',
    method: 'get',
    path: '/v1/decisions',
    summary: 'Decisions and what became of them, the newest first',
    query: pageQuery,
    answers: { 200: { means: 'A page', schema: decisionsView } },
    problems: EVERYWHERE,
  },
  {
    operationId: 'getOpenApi',
    method: 'get',
    path: '/v1/openapi.json',
    summary: 'This document',
    answers: { 200: { means: 'OpenAPI 3.1' } },
    problems: [],
    open: true,
  },
];

/** Methods that an address of the HTTP API takes, as `Allow` lists them; empty where it is no address of it. */
export function methodsOf(path: string): string[] {
  return OPERATIONS.filter((operation) => shapeOf(operation.path).test(path)).map(({ method }) =>
    method.toUpperCase(),
  );
}

const shapeOf = (path: string) =>
  new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457. `detail` says what to do next; `errors` names each field that is wrong.',
  required: ['type', 'title', 'status', 'detail', 'errors'],
  properties: {
    type: { type: 'string', examples: ['urn:oo:problem:invalid-input'] },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: { field: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
};

/** The OpenAPI 3.1 document, made of the schemas that parse and that type the answers. */
export function openApiDocument(publicUrl: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'oO',
      version: '1',
      description:
        `Signals in, one tip out. Bodies are JSON of at most ${MAX_BODY_BYTES} bytes; fields that are not ` +
        'known are refused. Revisions and positions are whole numbers in text.',
    },
    servers: [{ url: publicUrl.replace(/\/$/, '') }],
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A personal access token: oo_…' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'oo.session_token',
          description: 'The page’s session',
        },
      },
    },
  };
}

function operationObject({ operationId, path, summary, body, query, answers, problems, open }: Operation) {
  const responses: Record<string, unknown> = {};
  for (const [status, { means, schema }] of Object.entries(answers)) {
    responses[status] = {
      description: means,
      ...(schema === undefined
        ? {}
        : { content: { 'application/json': { schema: jsonSchema(schema, 'output') } } }),
    };
  }
  for (const status of [...problems].sort()) {
    responses[status] = {
      description: 'A problem',
      content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  return {
    operationId,
    summary,
    ...(open === true ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: { 'application/json': { schema: jsonSchema(body, 'input') } },
          },
        }),
    responses,
  };
}

function pathParameters(path: string) {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', format: 'uuid' },
  }));
}

function queryParameters(query: z.ZodObject | undefined) {
  return Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: jsonSchema(z.strictObject({ [name]: schema }), 'input').properties?.[name] ?? {},
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
  });
  return rest;
}
