import type { RunFile } from '@oo/embedded';
import { type Page, type TimelineItem, timelinePage } from '@oo/projections';
import { table } from '../output.js';
import { resolveUser } from '../people.js';
import { withReadModels } from '../running.js';

export interface Timeline extends Page<TimelineItem> {
  readonly userId: string;
}

export async function timeline(
  run: RunFile,
  user: string,
  { limit, before }: { limit: number; before?: bigint },
): Promise<Timeline> {
  const userId = await resolveUser(run, user);
  const page = await withReadModels(run, (sql) =>
    timelinePage(sql, userId, { limit, ...(before === undefined ? {} : { before }) }),
  );
  return { userId, ...page };
}

export function timelineText({ items, next }: Timeline): string {
  if (items.length === 0) return 'Nothing has happened yet.';
  const rows = items.map((item) => [
    item.occurredAt.slice(0, 19).replace('T', ' '),
    item.type,
    aboutOf(item),
  ]);
  const more = next === null ? '' : `\n\nolder: --before ${next}`;
  return `${table(['WHEN (UTC)', 'WHAT', 'ABOUT'], rows)}${more}`;
}

function aboutOf({ ref, decisionId }: TimelineItem): string {
  return [ref, decisionId].filter((text) => text !== null).join('  ');
}
