// Writes adr/README.md, the index of the decisions, or with --check says whether it is up to date and whether
// each record has the template's headings.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../../adr');
const HEADINGS = ['## Context', '## Decision', '## Considered', '## Consequences'];
const faults = [];

const rows = readdirSync(folder)
  .filter((file) => /^\d{4}-.+\.md$/.test(file))
  .sort()
  .map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const title = /^# (\d{4})\. (.+)$/m.exec(text);
    const status = /^- Status: (.+)$/m.exec(text)?.[1];
    if (title === null || title[1] !== file.slice(0, 4))
      faults.push(`${file}: the first line has to be "# ${file.slice(0, 4)}. Title"`);
    if (status === undefined) faults.push(`${file}: no "- Status:" line`);
    for (const heading of HEADINGS) {
      if (!text.includes(`\n${heading}\n`)) faults.push(`${file}: no "${heading}"`);
    }
    return `| [${file.slice(0, 4)}](${file}) | ${title?.[2] ?? '?'} | ${status ?? '?'} |`;
  });

const index = `# Decisions

Each binds later work. A new one starts from [TEMPLATE.md](TEMPLATE.md); \`npm run adr\` writes this index.

| | decision | status |
|---|---|---|
${rows.join('\n')}
`;

const path = join(folder, 'README.md');
if (process.argv.includes('--check')) {
  let present = '';
  try {
    present = readFileSync(path, 'utf8');
  } catch {
    // Missing is the same as out of date.
  }
  if (present !== index) faults.push('adr/README.md is out of date; run: npm run adr');
} else {
  writeFileSync(path, index);
}
for (const fault of faults) process.stderr.write(`${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);
