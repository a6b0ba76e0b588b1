import { epochMs } from '@oo/contracts';
import { z } from 'zod';
import {
  type Appointment,
  appointmentSchema,
  type Habit,
  type Happening,
  habitSchema,
  type Task,
  taskSchema,
} from '../records.js';

const entrySchema = z.object({
  task: taskSchema,
  state: z.enum(['open', 'done', 'deleted']),
  changedAt: z.string(),
});
type Entry = z.infer<typeof entrySchema>;

/** The ledger as it stands in the provider's file. */
export const ledgerSchema = z.object({
  tasks: z.array(entrySchema),
  habits: z.array(habitSchema),
  appointments: z.array(appointmentSchema),
});
export type LedgerJson = z.infer<typeof ledgerSchema>;

/** Closed tasks and past appointments are forgotten after this. */
const KEEP_MS = 30 * 86_400_000;

/** What the demo provider knows: the tasks, habits and appointments of one person, with their texts. */
export class Ledger {
  readonly #tasks = new Map<string, Entry>();
  readonly #habits = new Map<string, Habit>();
  readonly #appointments = new Map<string, Appointment>();

  constructor(json: LedgerJson = { tasks: [], habits: [], appointments: [] }) {
    for (const entry of json.tasks) this.#tasks.set(entry.task.id, entry);
    for (const habit of json.habits) this.#habits.set(habit.id, habit);
    for (const appointment of json.appointments) this.#appointments.set(appointment.id, appointment);
  }

  /**
   * Takes a happening in.
   * @returns false where it cannot have happened any more: the task that it is about is not open
   */
  apply(happening: Happening): boolean {
    switch (happening.kind) {
      case 'task-created': {
        if (this.#tasks.has(happening.task.id)) return this.#tasks.get(happening.task.id)?.state === 'open';
        this.#put(happening.task, 'open', happening.at);
        return true;
      }
      case 'task-changed':
        if (!this.isOpen(happening.task.id)) return false;
        this.#put(happening.task, 'open', happening.at);
        return true;
      case 'task-done':
      case 'task-deleted': {
        const entry = this.#tasks.get(happening.taskId);
        if (entry?.state !== 'open') return false;
        this.#put(entry.task, happening.kind === 'task-done' ? 'done' : 'deleted', happening.at);
        return true;
      }
      case 'habit-checked':
        this.#habits.set(happening.habit.id, happening.habit);
        return true;
      case 'appointment-made':
        this.#appointments.set(happening.appointment.id, happening.appointment);
        return true;
      case 'appointment-cancelled':
        return this.#appointments.delete(happening.appointment.id);
      case 'mood':
      case 'context':
        return true;
    }
  }

  isOpen(taskId: string): boolean {
    return this.#tasks.get(taskId)?.state === 'open';
  }

  openTasks(): Task[] {
    return [...this.#tasks.values()].filter(({ state }) => state === 'open').map(({ task }) => task);
  }

  /** A task that is there, done or not; undefined when it was never there or is deleted. */
  task(taskId: string): Task | undefined {
    const entry = this.#tasks.get(taskId);
    return entry === undefined || entry.state === 'deleted' ? undefined : entry.task;
  }

  habits(): Habit[] {
    return [...this.#habits.values()];
  }

  appointments(): Appointment[] {
    return [...this.#appointments.values()];
  }

  /** Lets go of what ended long before `now` (milliseconds since 1970). */
  forget(now: number): void {
    for (const [id, { state, changedAt }] of this.#tasks) {
      if (state !== 'open' && epochMs(changedAt) < now - KEEP_MS) this.#tasks.delete(id);
    }
    for (const [id, { endsAt }] of this.#appointments) {
      if (epochMs(endsAt) < now - KEEP_MS) this.#appointments.delete(id);
    }
  }

  toJSON(): LedgerJson {
    return { tasks: [...this.#tasks.values()], habits: this.habits(), appointments: this.appointments() };
  }

  #put(task: Task, state: Entry['state'], changedAt: string): void {
    this.#tasks.set(task.id, { task, state, changedAt });
  }
}
