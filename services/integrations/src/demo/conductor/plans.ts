import { taskIdOf } from '../mapper.js';
import type { Person } from '../person/person.js';
import { type AnswerWord, type Reaction, react } from '../person/reaction.js';
import type { ProposedTip } from './life-seen.js';

/** Something that the person is going to do about a tip, at a moment in milliseconds since 1970. */
export type Act = { readonly at: number; readonly tip: ProposedTip } & (
  | { readonly kind: 'see' }
  | { readonly kind: 'answer'; readonly word: AnswerWord }
  | { readonly kind: 'keep'; readonly taskId: string }
);

/**
 * What the person is going to do about the tips so far. It follows from the tips alone, so that after an
 * interruption it is made again and is the same.
 */
export class Plans {
  readonly #reactions: Reaction[] = [];
  #acts: Act[] = [];

  constructor(private readonly person: Person) {}

  /** @param proposed all tips so far, in order; those that were there before are left as they are */
  follow(proposed: readonly ProposedTip[]): void {
    for (const tip of proposed.slice(this.#reactions.length)) {
      const taskId = taskIdOf(tip.ref);
      const reaction = react(this.person, { ...tip, taskId }, this.#reactions);
      this.#reactions.push(reaction);
      this.#acts.push(...actsOf(tip, taskId, reaction));
    }
    this.#acts.sort((a, b) => a.at - b.at);
  }

  next(): Act | undefined {
    return this.#acts[0];
  }

  done(act: Act): void {
    this.#acts = this.#acts.filter((each) => each !== act);
  }

  /** How a tip was going to be answered; undefined where it was not. */
  wishFor(tip: ProposedTip): AnswerWord | undefined {
    const answers = this.#acts.filter((act) => act.kind === 'answer');
    return answers.find((act) => act.tip.tipId === tip.tipId)?.word;
  }
}

function actsOf(tip: ProposedTip, taskId: string | undefined, reaction: Reaction): Act[] {
  const { seenAt, answer, keptAt } = reaction;
  return [
    ...(seenAt === undefined ? [] : [{ kind: 'see', at: seenAt, tip } as const]),
    ...(answer === undefined ? [] : [{ kind: 'answer', at: answer.at, word: answer.word, tip } as const]),
    ...(keptAt === undefined || taskId === undefined
      ? []
      : [{ kind: 'keep', at: keptAt, taskId, tip } as const]),
  ];
}
