import { type Batch, type FoldContext, type Folded, foldBatch, refold, type Writing } from './fold.js';
import type { Owner } from './projection.js';
import { type ReadModel, type ReadModelTransaction, RowRefused } from './read-model.js';

/** Handles a batch in one transaction. */
export function commitBatch(context: FoldContext, readModel: ReadModel, batch: Batch): Promise<Folded> {
  return commit(readModel, (transaction, writing) => foldBatch(context, transaction, batch, writing));
}

/** Makes the rows of an owner anew, up to the position of the checkpoint. What waited is tried again. */
export function commitRefold(
  context: FoldContext,
  readModel: ReadModel,
  owner: Owner,
  through: bigint,
): Promise<Folded> {
  return commit(readModel, (transaction, writing) => refold(context, transaction, owner, through, writing));
}

/** Where the database refuses a row, the work is done once more event by event, and the event in question parked. */
async function commit(
  readModel: ReadModel,
  work: (transaction: ReadModelTransaction, writing: Writing) => Promise<Folded>,
): Promise<Folded> {
  try {
    return await readModel.transaction((transaction) => work(transaction, 'together'));
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    return readModel.transaction((transaction) => work(transaction, 'apart'));
  }
}
