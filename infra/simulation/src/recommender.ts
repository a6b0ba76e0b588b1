import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { EventEnvelope } from '@oo/contracts';
import { ROOT } from '@oo/embedded';
import { z } from 'zod';

const said = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('request'), id: z.int(), subject: z.string(), body: z.unknown() }),
  z.object({
    kind: z.literal('publish'),
    id: z.int(),
    subject: z.string(),
    body: z.string(),
    stream: z.string(),
    messageId: z.string(),
  }),
  z.object({ kind: z.literal('delete'), id: z.int(), stream: z.string() }),
  z.object({ kind: z.literal('look'), id: z.int(), stream: z.string() }),
  z.object({
    kind: z.literal('compared'),
    due: z.array(z.string()),
    differences: z.array(z.string()),
  }),
  z.object({ kind: z.literal('error'), message: z.string() }),
]);
export type Said = z.output<typeof said>;
export type Compared = Extract<Said, { kind: 'compared' }>;

const line = z.object({
  next: z.number().nullable(),
  position: z.int(),
  idle: z.boolean(),
  out: z.array(said),
});
/** When it wants to run again, where it stands, and what it says. */
export type Line = z.output<typeof line>;

/** Something that the recommender is told. */
export type Told =
  | { readonly kind: 'start'; readonly policy: 'heuristic' | 'random' }
  | { readonly kind: 'answer'; readonly id: number; readonly body: unknown }
  | {
      readonly kind: 'deliver';
      readonly consumer: number;
      readonly sequence: number;
      readonly envelope: EventEnvelope;
    }
  | { readonly kind: 'live'; readonly is: boolean }
  | { readonly kind: 'compare'; readonly envelopes: readonly unknown[] };

/** The Python process that runs the shipped recommender a step at a time (`ml/testing/lockstep.py`). */
export class LockStep {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #errors = '';

  constructor() {
    const path = [ROOT, join(ROOT, 'contracts/python'), join(ROOT, 'contracts/generated/python')];
    this.#child = spawn(process.env.OO_PYTHON ?? 'python3', ['-m', 'ml.testing.lockstep'], {
      cwd: ROOT,
      env: { ...process.env, PYTHONPATH: path.join(':'), PYTHONHASHSEED: '0' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('the recommender has no pipes');
    stderr.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4_000);
    });
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async exchange(now: number, wall: number, items: readonly Told[]): Promise<Line> {
    this.#child.stdin?.write(`${JSON.stringify({ now, wall, items })}\n`);
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`the recommender has ended: ${this.#errors}`);
    return line.parse(JSON.parse(value));
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    this.#reader.close();
  }
}
