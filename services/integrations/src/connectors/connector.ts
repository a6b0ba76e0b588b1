import type { CandidateItem } from '@oo/contracts';
import type { Manifest } from './manifest.js';
import type { Signal } from './signal.js';

/** What a provider's listing holds; `unreadable` counts the entries that the mapper could not read. */
export interface MappedListing {
  readonly items: readonly CandidateItem[];
  readonly unreadable: number;
}

/** A text as it is shown. `title` is empty where the provider has none. */
export interface MappedText {
  readonly title: string;
  readonly body: string;
  readonly url: string;
}

/**
 * Turns a provider's JSON into oO's words. Pure and total: any JSON gives an answer, and undefined says that it
 * is not the provider's.
 */
export interface Mapper {
  /** A record of the provider's change feed. */
  signal(change: unknown): Signal | undefined;
  /** The answer to {@link Manifest.listing}. */
  listing(json: unknown): MappedListing | undefined;
  /** The answer to {@link Manifest.item}. The only way by which a text comes in. */
  text(json: unknown): MappedText | undefined;
}

/** A provider's traffic, made up. */
export interface SimulatedTraffic {
  /** Records of the change feed, in order. */
  readonly changes: readonly unknown[];
  /** Answers to {@link Manifest.listing}. */
  readonly listings: readonly unknown[];
  /** Answers to {@link Manifest.item}. */
  readonly items: readonly unknown[];
}

/**
 * Plays the provider: JSON as it would come over the wire, the same for the same seed. `mark` stands in each
 * free text, so that the suite can tell whether one leaves.
 */
export type Simulator = (seed: string, mark: string) => SimulatedTraffic;

/** An integration: a manifest, a pure mapper and a simulator. Its tests are in `connector.suite.ts`. */
export interface Connector {
  readonly manifest: Manifest;
  readonly mapper: Mapper;
  readonly simulator: Simulator;
}
