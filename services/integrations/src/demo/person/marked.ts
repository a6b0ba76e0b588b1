import type { Happening, Task } from '../records.js';

/** The same happening with a mark in each of its free texts, by which a text can be found again. */
export function marked(happening: Happening, mark: string): Happening {
  switch (happening.kind) {
    case 'task-created':
    case 'task-changed':
      return { ...happening, task: markedTask(happening.task, mark) };
    case 'habit-checked':
      return { ...happening, habit: { ...happening.habit, title: `${happening.habit.title} ${mark}` } };
    case 'appointment-made':
    case 'appointment-cancelled': {
      const { appointment } = happening;
      return { ...happening, appointment: { ...appointment, title: `${appointment.title} ${mark}` } };
    }
    default:
      return happening;
  }
}

function markedTask(task: Task, mark: string): Task {
  return { ...task, title: `${task.title} ${mark}`, notes: `${task.notes} ${mark}` };
}
