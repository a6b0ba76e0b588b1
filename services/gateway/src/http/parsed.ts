import type { PipeTransform } from '@nestjs/common';
import { invalidInput, ProblemError } from '@oo/contracts';
import type { z } from 'zod';

/** Parses what came in, strictly: `@Body(new Parsed(schema))`. @throws ProblemError that names each wrong field */
export class Parsed<Value> implements PipeTransform<unknown, Value> {
  constructor(private readonly schema: z.ZodType<Value>) {}

  transform(value: unknown): Value {
    return parsed(this.schema, value);
  }
}

/** @throws ProblemError `invalid-input` that names each wrong field */
export function parsed<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const result = schema.safeParse(value);
  if (!result.success) throw new ProblemError(invalidInput(result.error));
  return result.data;
}
