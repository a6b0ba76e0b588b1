import { edge } from '@oo/contracts';
import { z } from 'zod';

// What the demo provider says over its own HTTP, and keeps in its own file. These are the texts' home: nothing
// of the kind exists anywhere else in oO.

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const text = z.string().max(4000);
const at = edge.timestamp;

export const taskSchema = z.object({
  id,
  title: text,
  notes: text.default(''),
  priority: z.enum(['low', 'normal', 'high']),
  createdAt: at,
  dueAt: at.optional(),
  /** The person's own guess. */
  minutes: z.int().min(1).max(10_080).optional(),
});
export type Task = z.infer<typeof taskSchema>;

export const habitSchema = z.object({ id, title: text });
export type Habit = z.infer<typeof habitSchema>;

export const appointmentSchema = z
  .object({ id, title: text, startsAt: at, endsAt: at })
  .refine(({ startsAt, endsAt }) => Date.parse(endsAt) > Date.parse(startsAt), {
    path: ['endsAt'],
    message: 'must be later than startsAt',
  });
export type Appointment = z.infer<typeof appointmentSchema>;

const context = z.enum(['page-opened', 'page-closed', 'device-active', 'device-idle', 'place-changed']);
const device = z.enum(['phone', 'tablet', 'desktop', 'watch']);
const place = z.enum(['home', 'work', 'out', 'transit']);
const grade = z.int().min(-2).max(2);

export type ContextName = z.infer<typeof context>;
export type DeviceName = z.infer<typeof device>;
export type PlaceName = z.infer<typeof place>;

/** One thing that happened in a life, with its texts: a record of the demo provider's change feed. */
export const happeningSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('task-created'), at, task: taskSchema }),
  z.object({ kind: z.literal('task-changed'), at, task: taskSchema }),
  z.object({ kind: z.literal('task-done'), at, taskId: id }),
  z.object({ kind: z.literal('task-deleted'), at, taskId: id }),
  z.object({
    kind: z.literal('habit-checked'),
    at,
    habit: habitSchema,
    done: z.boolean(),
    /** Days in a row, this one included. */
    streak: z.int().min(0),
  }),
  z.object({ kind: z.literal('appointment-made'), at, appointment: appointmentSchema }),
  z.object({ kind: z.literal('appointment-cancelled'), at, appointment: appointmentSchema }),
  z.object({ kind: z.literal('mood'), at, valence: grade, energy: grade }),
  z.object({
    kind: z.literal('context'),
    at,
    context,
    device: device.optional(),
    place: place.optional(),
    utcOffsetMinutes: z.int().min(-840).max(840),
  }),
]);
export type Happening = z.infer<typeof happeningSchema>;

export const taskListingSchema = z.object({ tasks: z.array(z.unknown()) });
