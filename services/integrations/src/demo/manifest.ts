import { TipKind } from '@oo/contracts';
import type { Manifest } from '../connectors/manifest.js';

export const demoManifest: Manifest = {
  name: 'demo',
  title: 'Demo life',
  version: '1.0.0',
  address: 'OO_DEMO_PROVIDER_URL',
  listing: '/people/{user}/tasks',
  item: '/people/{user}/tasks/{id}',
  kinds: { task: TipKind.TIP_KIND_TODO },
  features: ['priority', 'dueAt', 'estimatedMinutes'],
  signals: [
    'TaskObserved',
    'TaskCompleted',
    'HabitChecked',
    'BusyTimeObserved',
    'MoodReported',
    'ContextObserved',
  ],
  timeoutMs: 1000,
};
