import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { edge } from '@oo/contracts';
import { z } from 'zod';
import { ledgerSchema } from './ledger.js';

/** All that the demo keeps: who it plays, how far it is, and what the provider knows. */
const demoStateSchema = z.object({
  version: z.literal(1),
  user: z.string(),
  seed: z.string(),
  utcOffsetMinutes: z.int(),
  /** `history` until the weeks before the first start are played. */
  phase: z.enum(['history', 'live']),
  startsAt: edge.timestamp,
  /** Happenings before this have been played. */
  playedUntil: edge.timestamp,
  ledger: ledgerSchema,
});
export type DemoState = z.infer<typeof demoStateSchema>;

/** The demo's file. A reader sees the old state or the new one, never a part of one. */
export class DemoFile {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#path = join(folder, 'demo-life.json');
  }

  /** @returns undefined where there is none yet @throws Error naming the file when it holds something else */
  async read(): Promise<DemoState | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const parsed = demoStateSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new Error(`${this.#path} is not a state of the demo life; delete it and start again`);
  }

  /** Writes one after the other; each is on disk when its promise resolves. */
  write(state: DemoState): Promise<void> {
    const text = JSON.stringify(state);
    const written = this.#writing.then(() => this.#replace(text));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #replace(text: string): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
