import type { Segment } from '../storage/segment.js';
import { type StreamExtent, streamKey } from '../storage/segment-index.js';

/**
 * Where the events of one stream are: in each segment none, or a run of them. A segment is asked when it is needed, so
 * that one event of a stream which lies in many segments costs a few look-ups and not one for each.
 */
export class StreamExtents {
  private readonly found = new Map<number, StreamExtent>();
  private key: Buffer | undefined;

  constructor(
    private readonly stream: string,
    /** Oldest first. */
    readonly segments: readonly Segment[],
    /** Told of each extent that is kept in memory from now on. */
    private readonly onKept: () => void,
  ) {}

  /** How many extents are kept in memory. */
  get kept(): number {
    return this.found.size;
  }

  /** What the n-th segment has of the stream; undefined when it has no events of it. */
  at(n: number): StreamExtent | undefined {
    const known = this.found.get(n);
    if (known !== undefined) return known;
    const segment = this.segments[n];
    const extent = segment?.find(this.stream, () => {
      this.key ??= streamKey(this.stream);
      return this.key;
    });
    if (extent === undefined || extent.count === 0) return undefined;
    // The segment that is written is asked anew each time: it gains streams, and its extents change their kind.
    if (segment?.open === undefined) {
      this.found.set(n, extent);
      this.onKept();
    }
    return extent;
  }

  /**
   * The segment and the place in its extent of the first event at or after a revision. The stream's last revision lets
   * the segment be guessed.
   */
  locate(revision: number, last: number): { segment: number; n: number } | undefined {
    let low = 0;
    let high = this.segments.length;
    /** Revisions below lie before `low`, those from `above` on not before `high`. */
    let below = 0;
    let above = last + 1;
    let candidate: { segment: number; extent: StreamExtent } | undefined;
    for (let guesses = 0; low < high; guesses++) {
      // Most streams grow evenly; one that did not costs two looks more than halving.
      const share = guesses < 2 && below < above ? (revision - below) / (above - below) : 0.5;
      const guess = low + Math.floor((high - low) * Math.min(Math.max(share, 0), 0.999));
      let segment = guess;
      let extent = this.at(segment);
      while (extent === undefined && ++segment < high) extent = this.at(segment);
      if (extent === undefined) {
        high = guess;
      } else if (extent.last < revision) {
        low = segment + 1;
        below = extent.last + 1;
      } else {
        candidate = { segment, extent };
        if (extent.first <= revision) break;
        high = guess;
        above = extent.first;
      }
    }
    if (candidate === undefined) return undefined;
    return { segment: candidate.segment, n: placeIn(candidate.extent, revision) };
  }
}

/** The place in an extent of the first event at or after a revision. */
export function placeIn(extent: StreamExtent, revision: number): number {
  if (extent.last - extent.first + 1 === extent.count) return Math.max(0, revision - extent.first);
  let from = 0;
  let to = extent.count;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (extent.revisionAt(middle) < revision) from = middle + 1;
    else to = middle;
  }
  return from;
}
