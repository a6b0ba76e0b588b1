import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError for anything but digits */
export function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}
