// Brings the toolchain that the project is pinned to: Node, Python with its packages, npm packages, a browser.
// Runs on any Node >= 20.19 and needs nothing installed, since it is what installs. Each step is skipped when
// the stamp that it left behind still fits.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = join(root, '.toolchain');
const windows = process.platform === 'win32';

// One place names the versions that are not in a lockfile.
const NODE_VERSION = '24.21.0';
const UV_VERSION = '0.13.9';
const OLDEST_NODE = [20, 19];
const OLDEST_NPM = [11, 0];
const OLDEST_PYTHON = [3, 11];

const nodeBin = join(folder, 'node/node_modules/node/bin');
export const python = join(folder, windows ? 'python/Scripts/python.exe' : 'python/bin/python');

/** The environment in which everything of the project runs. */
export function environment() {
  const path = [nodeBin, dirname(python), join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter);
  return {
    ...process.env,
    PATH: path,
    OO_PYTHON: python,
    PYTHONPATH: [root, join(root, 'contracts/python'), join(root, 'contracts/generated/python')].join(
      delimiter,
    ),
    // The daemon outlives the command that wanted it, and a project's own test run should leave nothing behind.
    NX_DAEMON: process.env.NX_DAEMON ?? 'false',
    NX_TUI: 'false',
    npm_config_update_notifier: 'false',
  };
}

class ToolchainError extends Error {}

/** Prints what went wrong and what to do, without a stack, and ends with exit code 1. */
export function fail(error) {
  process.stderr.write(`\noO: ${error instanceof ToolchainError ? error.message : error.stack}\n`);
  process.exit(1);
}

const atLeast = (version, oldest) => {
  const parts = version.split('.').map(Number);
  return parts[0] > oldest[0] || (parts[0] === oldest[0] && parts[1] >= oldest[1]);
};

function versionOf(command, args) {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: windows,
    })
      .trim()
      .replace(/^[^\d]*/, '');
  } catch {
    return undefined;
  }
}

/** Runs a command, shows that it goes on, and shows its output only when it fails. */
function step(label, command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const began = Date.now();
    const seconds = () => `${((Date.now() - began) / 1000).toFixed(0)} s`;
    const live = process.stdout.isTTY;
    if (!live) process.stdout.write(`  … ${label}\n`);
    const ticker = live
      ? setInterval(() => process.stdout.write(`\r  … ${label}  ${seconds()} `), 500)
      : undefined;
    let output = '';
    const child = spawn(command, args, {
      cwd: root,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: windows,
      ...options,
    });
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(ticker);
      if (code === 0) {
        process.stdout.write(`${live ? '\r' : ''}  ✓ ${label}  ${seconds()}\n`);
        resolve();
      } else {
        reject(
          new ToolchainError(`${label} failed (${command} ${args.join(' ')}, exit ${code}):\n${output}`),
        );
      }
    });
  });
}

const digest = (...texts) => createHash('sha256').update(texts.join('\n')).digest('hex');
const stampPath = (name) => join(folder, `${name}.stamp`);
const isFresh = (name, value) =>
  existsSync(stampPath(name)) && readFileSync(stampPath(name), 'utf8') === value;
const stamp = (name, value) => writeFileSync(stampPath(name), value);

function checkHost() {
  if (!atLeast(process.versions.node, OLDEST_NODE)) {
    throw new ToolchainError(
      `Node ${process.versions.node} is too old; install Node ${OLDEST_NODE.join('.')} or newer.`,
    );
  }
  const npm = versionOf('npm', ['--version']);
  if (npm === undefined || !atLeast(npm, OLDEST_NPM)) {
    throw new ToolchainError(`npm ${npm ?? '(none)'} is too old; run: npm install --global npm@11`);
  }
}

function hostPython() {
  for (const command of [process.env.PYTHON, 'python3.13', 'python3.12', 'python3.11', 'python3', 'python']) {
    if (!command) continue;
    const version = versionOf(command, ['--version']);
    if (version !== undefined && atLeast(version, OLDEST_PYTHON)) return { command, version };
  }
  throw new ToolchainError(
    `Python ${OLDEST_PYTHON.join('.')} or newer is needed and was not found; install it, or name it in PYTHON.`,
  );
}

async function ensureNode() {
  const wanted = digest(NODE_VERSION);
  if (isFresh('node', wanted) && existsSync(nodeBin)) return;
  const prefix = join(folder, 'node');
  rmSync(prefix, { recursive: true, force: true });
  mkdirSync(prefix, { recursive: true });
  await step(`Node ${NODE_VERSION}`, 'npm', [
    'install',
    '--prefix',
    prefix,
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    `node@${NODE_VERSION}`,
  ]);
  const got = versionOf(join(nodeBin, windows ? 'node.exe' : 'node'), ['--version']);
  if (got !== NODE_VERSION) {
    throw new ToolchainError(
      `the npm package node@${NODE_VERSION} did not bring a Node for this machine (${got ?? 'none'}).`,
    );
  }
  stamp('node', wanted);
}

async function ensurePython() {
  const host = hostPython();
  const pinned = readFileSync(join(root, 'ml/requirements.txt'), 'utf8');
  const wanted = digest(host.version, UV_VERSION, pinned);
  if (isFresh('python', wanted) && existsSync(python)) return;
  rmSync(join(folder, 'python'), { recursive: true, force: true });
  await step(`Python ${host.version} environment`, host.command, ['-m', 'venv', join(folder, 'python')]);
  await step('uv', python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    `uv==${UV_VERSION}`,
  ]);
  await step('Python packages', python, [
    ...['-m', 'uv', 'pip', 'install', '--quiet', '--system-certs', '--require-hashes'],
    ...['--python', python, '-r', 'ml/requirements.txt'],
  ]);
  stamp('python', wanted);
}

async function ensurePackages() {
  const all = existsSync(join(root, 'patches')) ? readdirSync(join(root, 'patches')) : [];
  const patches = all.filter((name) => name.endsWith('.patch'));
  const files = ['package-lock.json', ...patches.map((name) => join('patches', name))];
  const wanted = digest(...files.map((file) => readFileSync(join(root, file), 'utf8')), NODE_VERSION);
  if (isFresh('packages', wanted) && existsSync(join(root, 'node_modules/.package-lock.json'))) return;
  // A patch is made for the package as it was published, and what is patched no longer is wanted as published.
  const patched = patches.map((patch) => patch.replace(/\+[^+]+\.patch$/, '').replaceAll('+', '/'));
  const before = existsSync(stampPath('patched'))
    ? JSON.parse(readFileSync(stampPath('patched'), 'utf8'))
    : [];
  for (const name of [...before, ...patched]) {
    rmSync(join(root, 'node_modules', name), { recursive: true, force: true });
  }
  stamp('patched', JSON.stringify(patched));
  // Not `npm ci`: it refuses a lockfile that lacks the optional packages of platforms that a registry does not carry.
  // This takes the locked versions and hashes all the same, and writes nothing into the lockfile.
  await step('npm packages', 'npm', ['install', '--no-save', '--no-audit', '--no-fund']);
  stamp('packages', wanted);
}

/** Installs what is missing; a second call takes milliseconds. */
export async function ensureToolchain() {
  checkHost();
  mkdirSync(folder, { recursive: true });
  await ensureNode();
  await Promise.all([ensurePython(), ensurePackages()]);
}

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

function findBrowser() {
  if (process.env.OO_CHROMIUM) return process.env.OO_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const macs = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
  return [...folders.flatMap((path) => BROWSERS.map((name) => join(path, name))), ...macs].find((path) =>
    existsSync(path),
  );
}

/** The path of a Chromium, installed from Debian's packages where that can be done. */
export async function ensureBrowser() {
  const found = findBrowser();
  if (found !== undefined) return found;
  const canInstall = process.getuid?.() === 0 && versionOf('apt-get', ['--version']) !== undefined;
  if (canInstall) {
    await step('package lists', 'apt-get', ['update', '-qq']);
    await step('Chromium', 'apt-get', [
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
      'chromium',
      'fonts-dejavu-core',
    ]);
    const installed = findBrowser();
    if (installed !== undefined) return installed;
  }
  throw new ToolchainError(
    'the page is tested in a real browser and none was found. Install Chromium (Debian: apt-get install chromium; ' +
      'Fedora: dnf install chromium; macOS: brew install --cask chromium), or name one in OO_CHROMIUM.',
  );
}

/** Pins the Python side again: hashes, and no addresses. */
export async function pinPython() {
  await step('pin ml/requirements.txt', python, [
    ...['-m', 'uv', 'pip', 'compile', '--universal', '--python-version', OLDEST_PYTHON.join('.')],
    ...['--generate-hashes', '--no-emit-index-url', '--no-header', '--quiet'],
    ...['ml/requirements.in', '-o', 'ml/requirements.txt'],
  ]);
}

export { step };
