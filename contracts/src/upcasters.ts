import { z } from 'zod';
import type { TaskObservedV1 } from './messages.js';

type Upcaster = (json: unknown) => unknown;

const taskObservedV1 = z.object({
  ref: z.string(),
  dueDate: z.string().default(''),
  urgency: z.int().default(0),
}) satisfies z.ZodType<TaskObservedV1>;

/** Urgency 1 to 4 becomes a priority; a due day becomes its last second in UTC, since version 1 knew no zone. */
const taskObserved1to2: Upcaster = (json) => {
  const { ref, dueDate, urgency } = taskObservedV1.parse(json);
  const priority = urgency >= 3 ? 'PRIORITY_HIGH' : urgency === 1 ? 'PRIORITY_LOW' : 'PRIORITY_NORMAL';
  return {
    ref,
    state: 'TASK_STATE_OPEN',
    priority,
    ...(dueDate === '' ? {} : { dueAt: `${dueDate}T23:59:59Z` }),
  };
};

// TYPE → version it reads → the step to the next version. The Python side has the same steps; vectors pin both.
const UPCASTERS: Readonly<Record<string, Readonly<Record<number, Upcaster>>>> = {
  TaskObserved: { 1: taskObserved1to2 },
};

/** Lifts a recorded payload to the newest version, step by step. Newest versions pass through unchanged. */
export function upcast(type: string, version: number, json: unknown): unknown {
  const steps = UPCASTERS[type] ?? {};
  let lifted = json;
  for (let from = version; steps[from] !== undefined; from++) lifted = steps[from]?.(lifted);
  return lifted;
}
