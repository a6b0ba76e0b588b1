import {
  ContextKind,
  Device,
  type DomainEvent,
  epochMs,
  type Instant,
  Place,
  Priority,
  type TaskObserved,
  TaskState,
  TipKind,
} from '@oo/contracts';
import { demoManifest } from './manifest.js';
import {
  type ContextName,
  type DeviceName,
  type Happening,
  happeningSchema,
  type PlaceName,
  type Task,
  taskListingSchema,
  taskSchema,
} from './records.js';

const PRIORITY: Readonly<Record<Task['priority'], Priority>> = {
  low: Priority.PRIORITY_LOW,
  normal: Priority.PRIORITY_NORMAL,
  high: Priority.PRIORITY_HIGH,
};
const CONTEXT: Readonly<Record<ContextName, ContextKind>> = {
  'page-opened': ContextKind.CONTEXT_KIND_PAGE_OPENED,
  'page-closed': ContextKind.CONTEXT_KIND_PAGE_CLOSED,
  'device-active': ContextKind.CONTEXT_KIND_DEVICE_ACTIVE,
  'device-idle': ContextKind.CONTEXT_KIND_DEVICE_IDLE,
  'place-changed': ContextKind.CONTEXT_KIND_PLACE_CHANGED,
};
const DEVICE: Readonly<Record<DeviceName, Device>> = {
  phone: Device.DEVICE_PHONE,
  tablet: Device.DEVICE_TABLET,
  desktop: Device.DEVICE_DESKTOP,
  watch: Device.DEVICE_WATCH,
};
const PLACE: Readonly<Record<PlaceName, Place>> = {
  home: Place.PLACE_HOME,
  work: Place.PLACE_WORK,
  out: Place.PLACE_OUT,
  transit: Place.PLACE_TRANSIT,
};

/** `demo:task:t20781-2` */
export function taskRef(taskId: string): string {
  return `${demoManifest.name}:task:${taskId}`;
}

/** The provider's own id of a task, or undefined where the reference is of something else. */
export function taskIdOf(ref: string): string | undefined {
  const prefix = taskRef('');
  return ref.startsWith(prefix) ? ref.slice(prefix.length) : undefined;
}

type DemoEvent = DomainEvent<
  'TaskObserved' | 'TaskCompleted' | 'HabitChecked' | 'BusyTimeObserved' | 'MoodReported' | 'ContextObserved'
>;

/** The mapper of the demo provider's records (see `records.ts`). */
export const demoMapper = {
  signal(change: unknown) {
    const parsed = happeningSchema.safeParse(change);
    if (!parsed.success) return undefined;
    const happening = parsed.data;
    return {
      idempotencyKey: `${happening.kind}:${subjectOf(happening)}:${epochMs(happening.at)}`,
      occurredAt: happening.at as Instant,
      event: eventOf(happening),
    };
  },

  listing(json: unknown) {
    const parsed = taskListingSchema.safeParse(json);
    if (!parsed.success) return undefined;
    const tasks = parsed.data.tasks.map((task) => taskSchema.safeParse(task));
    return {
      items: tasks.flatMap(({ data: task }) =>
        task === undefined
          ? []
          : [
              {
                ref: taskRef(task.id),
                kind: TipKind.TIP_KIND_TODO,
                priority: PRIORITY[task.priority],
                ...times(task),
              },
            ],
      ),
      unreadable: tasks.filter(({ success }) => !success).length,
    };
  },

  text(json: unknown) {
    const { data: task } = taskSchema.safeParse(json);
    return task && { title: task.title, body: task.notes, url: '' };
  },
};

/** What a happening is about: one thing happens to it at a time, so that a key made of it and the time is unique. */
function subjectOf(happening: Happening): string {
  switch (happening.kind) {
    case 'task-created':
    case 'task-changed':
      return happening.task.id;
    case 'task-done':
    case 'task-deleted':
      return happening.taskId;
    case 'habit-checked':
      return happening.habit.id;
    case 'appointment-made':
    case 'appointment-cancelled':
      return happening.appointment.id;
    case 'mood':
      return 'self';
    case 'context':
      return happening.context;
  }
}

function eventOf(happening: Happening): DemoEvent {
  switch (happening.kind) {
    case 'task-created':
    case 'task-changed':
      return { type: 'TaskObserved', data: taskObserved(happening.task) };
    case 'task-done':
      return { type: 'TaskCompleted', data: { ref: taskRef(happening.taskId) } };
    case 'task-deleted':
      return {
        type: 'TaskObserved',
        data: {
          ref: taskRef(happening.taskId),
          state: TaskState.TASK_STATE_GONE,
          priority: Priority.PRIORITY_NORMAL,
        },
      };
    case 'habit-checked': {
      const { habit, done, streak } = happening;
      return { type: 'HabitChecked', data: { ref: `${demoManifest.name}:habit:${habit.id}`, done, streak } };
    }
    case 'appointment-made':
    case 'appointment-cancelled': {
      const { id, startsAt, endsAt } = happening.appointment;
      return {
        type: 'BusyTimeObserved',
        data: {
          ref: `${demoManifest.name}:busy:${id}`,
          startsAt,
          endsAt,
          cancelled: happening.kind === 'appointment-cancelled',
        },
      };
    }
    case 'mood':
      return { type: 'MoodReported', data: { valence: happening.valence, energy: happening.energy } };
    case 'context': {
      const { context, device, place, utcOffsetMinutes } = happening;
      return {
        type: 'ContextObserved',
        data: {
          kind: CONTEXT[context],
          device: device === undefined ? Device.DEVICE_UNSPECIFIED : DEVICE[device],
          place: place === undefined ? Place.PLACE_UNSPECIFIED : PLACE[place],
          utcOffsetMinutes,
        },
      };
    }
  }
}

function taskObserved(task: Task): TaskObserved {
  return {
    ref: taskRef(task.id),
    state: TaskState.TASK_STATE_OPEN,
    priority: PRIORITY[task.priority],
    ...times(task),
  };
}

function times({ dueAt, minutes }: Task): { dueAt?: string; estimatedMinutes?: number } {
  return {
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(minutes === undefined ? {} : { estimatedMinutes: minutes }),
  };
}
