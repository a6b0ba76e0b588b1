import { type Batch, type FoldContext, type Folded, foldBatch } from './fold.js';
import { type ReadModel, RowRefused } from './read-model.js';

/**
 * Handles a batch in one transaction. Where the database refuses a row, the batch is taken event by event, and the
 * event whose row it is gets parked.
 */
export async function commitBatch(context: FoldContext, readModel: ReadModel, batch: Batch): Promise<Folded> {
  try {
    return await readModel.transaction((transaction) => foldBatch(context, transaction, batch));
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    return commitOneByOne(context, readModel, batch);
  }
}

async function commitOneByOne(
  context: FoldContext,
  readModel: ReadModel,
  { events, before, through }: Batch,
): Promise<Folded> {
  let reached = before;
  let sum: Folded = { applied: 0, duplicates: 0, refilled: 0, refolded: 0, parked: [], changed: [] };
  for (const event of events) {
    const alone = { events: [event], before: reached, through: reached };
    if (event.position > reached) reached = alone.through = event.position;
    sum = added(sum, await commitAlone(context, readModel, alone, event.id));
  }
  const end = { events: [], before: reached, through };
  return added(sum, await readModel.transaction((transaction) => foldBatch(context, transaction, end)));
}

async function commitAlone(
  context: FoldContext,
  readModel: ReadModel,
  batch: Batch,
  id: string,
): Promise<Folded> {
  try {
    return await readModel.transaction((transaction) => foldBatch(context, transaction, batch));
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    const refused = new Map([[id, error.message]]);
    return readModel.transaction((transaction) => foldBatch(context, transaction, { ...batch, refused }));
  }
}

function added(one: Folded, other: Folded): Folded {
  return {
    applied: one.applied + other.applied,
    duplicates: one.duplicates + other.duplicates,
    refilled: one.refilled + other.refilled,
    refolded: one.refolded + other.refolded,
    parked: [...one.parked, ...other.parked],
    changed: [...one.changed, ...other.changed],
  };
}
