import * as path from 'node:path';
import { type Files, replaceFile } from './files.js';
import {
  FORMAT_VERSION,
  manifestExists,
  readManifest,
  type SegmentEntry,
  writeManifest,
} from './manifest.js';
import { forgetDamage } from './patrol.js';
import {
  damageText,
  indexFileOf,
  SEGMENT_HEADER_SIZE,
  scanSegment,
  segmentFile,
  segmentHeader,
} from './segment.js';
import { readMark, SyncedMark } from './synced-mark.js';
import { verifySegment } from './verify.js';

export interface RepairOptions {
  readonly files: Files;
  readonly directory: string;
  readonly report: (message: string) => void;
}

/**
 * Makes a damaged log startable. The bytes of each damaged place are put into `quarantine/`, with a note of where they
 * were; the segment is written anew without them; everything that can be read stays. Nothing is dropped without a copy.
 */
export async function repairLog({ files, directory, report }: RepairOptions): Promise<void> {
  if (!manifestExists(files, directory)) return;
  const manifest = readManifest(files, directory);
  const synced = readMark(files, directory);
  const quarantine = path.join(directory, 'quarantine');
  const entries: SegmentEntry[] = [];
  const replaced: string[] = [];
  let end = 0;
  for (const entry of manifest.segments) {
    const findings = verifySegment(files, directory, entry, synced);
    if (findings.damage.length === 0) {
      entries.push(entry);
      end = entry.end ?? entry.base + findings.end;
      continue;
    }
    files.makeDirectory(quarantine);
    for (const damage of findings.damage) report(damageText(damage));
    const note = {
      file: entry.file,
      base: entry.base,
      damage: findings.damage,
      gaps: findings.gaps,
      when: new Date(),
    };
    const stem = path.join(quarantine, `${entry.file.replace(/\.log$/, '')}-${Date.now()}`);
    await replaceFile(files, `${stem}.json`, Buffer.from(`${JSON.stringify(note, null, 1)}\n`));
    if (!files.exists(path.join(directory, entry.file))) {
      report(`${entry.file} is missing: what was in it is lost unless a backup has it`);
      if (entry.end !== undefined) continue;
    }
    const kept = await rewrite(files, directory, entry, findings.gaps, stem);
    entries.push(kept);
    replaced.push(entry.file);
    end = kept.end ?? entry.base + findings.end;
    report(
      `${entry.file}: set ${findings.gaps.length} damaged places aside in ${quarantine}, kept ${findings.records} records`,
    );
  }
  if (replaced.length === 0 && entries.length === manifest.segments.length) return;
  const last = entries[entries.length - 1];
  if (last === undefined || last.end !== undefined) {
    // A repaired segment is not written to any more: the log goes on in a new one.
    const number = (last?.number ?? -1) + 1;
    const base = Math.max(end, synced);
    const file = segmentFile(number);
    const handle = files.open(path.join(directory, file), 'create');
    handle.write(segmentHeader(base), 0);
    await handle.datasync();
    handle.close();
    entries.push({ number, base, file });
    end = base + SEGMENT_HEADER_SIZE;
  }
  await writeManifest(files, directory, { format: FORMAT_VERSION, id: manifest.id, segments: entries });
  for (const file of replaced) {
    files.remove(path.join(directory, file));
    files.remove(path.join(directory, indexFileOf(file)));
  }
  const mark = SyncedMark.open(files, directory);
  mark.write(end);
  mark.close();
  forgetDamage(files, directory);
}

/** Copies the whole records of a segment into a new one, and the gaps into files of their own. */
async function rewrite(
  files: Files,
  directory: string,
  entry: SegmentEntry,
  gaps: readonly { readonly from: number; readonly to: number }[],
  stem: string,
): Promise<SegmentEntry> {
  const generation = Number(/-(\d+)\.log$/.exec(entry.file)?.[1] ?? 0) + 1;
  const file = segmentFile(entry.number, generation);
  const target = files.open(path.join(directory, file), 'create');
  target.write(segmentHeader(entry.base), 0);
  let written = SEGMENT_HEADER_SIZE;
  let end = entry.base + SEGMENT_HEADER_SIZE;
  if (files.exists(path.join(directory, entry.file))) {
    const source = files.open(path.join(directory, entry.file), 'read');
    for (const { from, to } of gaps) {
      const bytes = Buffer.allocUnsafe(Math.max(0, to - from));
      const read = source.read(bytes, from);
      await replaceFile(files, `${stem}-${from}.bin`, bytes.subarray(0, read));
    }
    const starts = [SEGMENT_HEADER_SIZE, ...gaps.map((gap) => gap.to)];
    const compacted = entry.compactedSize !== undefined;
    for (const start of starts) {
      scanSegment(
        source,
        entry.base,
        compacted,
        entry.compactedSize ?? (entry.end === undefined ? source.size() : entry.end - entry.base),
        (record) => {
          target.write(record.buffer.subarray(record.offset, record.offset + record.size), written);
          written += record.size;
          end = record.position + record.size;
        },
        start,
      );
    }
    source.close();
  }
  await target.datasync();
  target.close();
  files.syncDirectory(directory);
  return {
    number: entry.number,
    base: entry.base,
    end: Math.max(end, entry.end ?? end),
    file,
    compactedSize: written,
  };
}
