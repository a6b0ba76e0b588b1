import 'reflect-metadata';
import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { describe, expect, it } from 'vitest';
import { HistoryController } from '../history/history.controller.js';
import { SignalsController } from '../signals/signals.controller.js';
import { TipsController } from '../tips/tips.controller.js';
import { methodsOf, OPERATIONS, openApiDocument } from './document.js';
import { OpenApiController } from './openapi.controller.js';

/** The routes that Nest serves, as it has them. */
function routesOf(controller: { readonly prototype: object }): string[] {
  const base: unknown = Reflect.getMetadata(PATH_METADATA, controller);
  return Object.getOwnPropertyNames(controller.prototype).flatMap((name) => {
    const handler: unknown = Reflect.get(controller.prototype, name);
    if (typeof handler !== 'function' || !Reflect.hasMetadata(METHOD_METADATA, handler)) return [];
    const method: RequestMethod = Reflect.getMetadata(METHOD_METADATA, handler);
    const path: unknown = Reflect.getMetadata(PATH_METADATA, handler);
    const parts = [base, path].map(String).filter((part) => part !== '/');
    return [`${RequestMethod[method]} /${parts.join('/').replace(/:(\w+)/g, '{$1}')}`];
  });
}

const document = JSON.parse(JSON.stringify(openApiDocument('https://oo.example/')));

describe('the OpenAPI document', () => {
  it('has every route that there is, and no other', () => {
    const served = [SignalsController, TipsController, HistoryController, OpenApiController].flatMap(
      routesOf,
    );
    const told = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(told.sort()).toEqual(served.sort());
  });

  it('names each operation for clients that are made of it', () => {
    const ids = OPERATIONS.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(document.paths['/v1/signals'].post.operationId).toBe('recordSignal');
  });

  it('knows what an address takes', () => {
    expect(methodsOf('/v1/signals')).toEqual(['POST']);
    expect(methodsOf('/v1/tips/an-id/why')).toEqual(['GET']);
    expect(methodsOf('/v1/tips/an-id/why/more')).toEqual([]);
    expect(methodsOf('/v1/openapiXjson')).toEqual([]);
  });

  it('says what a time looks like', () => {
    const { schema } = document.paths['/v1/signals'].post.requestBody.content['application/json'];
    expect(schema.oneOf[0].properties.occurredAt).toMatchObject({ type: 'string', format: 'date-time' });
  });

  it('is of version 3.1 and names where it is served', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.servers).toEqual([{ url: 'https://oo.example' }]);
  });

  it('tells what a signal may be, field by field, and that there is no other', () => {
    const { schema } = document.paths['/v1/signals'].post.requestBody.content['application/json'];
    const types = schema.oneOf.map(
      (each: { properties: { type: { const: string } } }) => each.properties.type.const,
    );
    expect(types).toEqual([
      'TaskObserved',
      'TaskCompleted',
      'HabitChecked',
      'BusyTimeObserved',
      'MoodReported',
      'ContextObserved',
    ]);
    const [task] = schema.oneOf;
    expect(task.additionalProperties).toBe(false);
    expect(task.properties.data.properties.priority.enum).toEqual([
      'PRIORITY_LOW',
      'PRIORITY_NORMAL',
      'PRIORITY_HIGH',
    ]);
    expect(task.required).toEqual(expect.arrayContaining(['type', 'idempotencyKey', 'occurredAt', 'data']));
    expect(task.required).not.toContain('userId');
  });

  it('asks for a body only where there has to be one', () => {
    expect(document.paths['/v1/signals'].post.requestBody.required).toBe(true);
    expect(document.paths['/v1/tips/{id}/shown'].post.requestBody.required).toBe(false);
  });

  it('answers every error with a problem', () => {
    for (const path of Object.values<Record<string, { responses: Record<string, { content?: object }> }>>(
      document.paths,
    )) {
      for (const { responses } of Object.values(path)) {
        for (const [status, response] of Object.entries(responses)) {
          if (Number(status) >= 400)
            expect(Object.keys(response.content ?? {})).toEqual(['application/problem+json']);
        }
      }
    }
  });

  it('has the path’s and the query’s parameters', () => {
    const names = (path: string, method: string) =>
      document.paths[path][method].parameters.map(
        ({ name, in: place }: { name: string; in: string }) => `${place}:${name}`,
      );
    expect(names('/v1/tips/{id}/answers', 'post')).toEqual(['path:id']);
    expect(names('/v1/timeline', 'get')).toEqual(['query:before', 'query:limit']);
  });
});
