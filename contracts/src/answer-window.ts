/**
 * How long after it was proposed a tip still takes an answer, in milliseconds. In a file that imports nothing, since
 * the page has it too: a device keeps an answer no longer than it can be taken.
 */
export const ANSWER_WINDOW_MS = 7 * 86_400_000;
