import type { TipView } from '@oo/gateway';
import { useRef } from 'react';
import { ANSWER_LABELS, type AnswerName } from '../outbox/outbox.js';
import { useSight } from './use-sight.js';

interface TipProps {
  readonly tip: TipView;
  readonly onSeen: (tipId: string) => void;
  readonly onAnswer: (answer: AnswerName) => void;
  readonly onWhy: () => void;
}

const ANSWERS: readonly { readonly name: AnswerName; readonly shortcut: string }[] = [
  { name: 'done', shortcut: 'd' },
  { name: 'later', shortcut: 'l' },
  { name: 'no', shortcut: 'n' },
];

/** The tip, its three answers, and the quiet way to ask why. */
export function Tip({ tip, onSeen, onAnswer, onWhy }: TipProps) {
  const title = useRef<HTMLHeadingElement>(null);
  useSight(title, tip.tipId, onSeen);
  const { heading, body } = wordsOf(tip);
  return (
    <article className="tip" dir="auto" data-testid="tip" key={tip.tipId}>
      <div className="said">
        <h1
          ref={title}
          tabIndex={-1}
          data-testid="tip-title"
          data-length={lengthOf(heading)}
          className={tip.text}
        >
          {heading}
        </h1>
        {body !== '' && (
          <p className="body" dir="auto">
            {body}
          </p>
        )}
        {tip.url !== '' && (
          <p className="body">
            <a href={tip.url} target="_blank" rel="noreferrer noopener">
              Open it
            </a>
          </p>
        )}
      </div>
      <div className="answers">
        {ANSWERS.map(({ name, shortcut }) => (
          <button
            key={name}
            type="button"
            className={name === 'done' ? 'first' : ''}
            data-testid={`answer-${name}`}
            aria-keyshortcuts={shortcut}
            onClick={() => onAnswer(name)}
          >
            {ANSWER_LABELS[name]}
          </button>
        ))}
        <button
          type="button"
          className="quiet-button"
          data-testid="why"
          aria-keyshortcuts="?"
          onClick={onWhy}
        >
          Why this?
        </button>
      </div>
    </article>
  );
}

function wordsOf({ text, title, body }: TipView): { heading: string; body: string } {
  switch (text) {
    case 'here':
      return { heading: title, body };
    case 'gone':
      return { heading: 'This is gone at its source.', body: 'Say “No”, and it will not come again.' };
    case 'unreachable':
      return {
        heading: 'The words of this tip cannot be reached.',
        body: 'Its source does not answer now. They appear by themselves once it does.',
      };
  }
}

/** Long words take a smaller type, so that the answers stay in sight. */
function lengthOf(text: string): 'short' | 'medium' | 'long' {
  if (text.length <= 60) return 'short';
  return text.length <= 140 ? 'medium' : 'long';
}
