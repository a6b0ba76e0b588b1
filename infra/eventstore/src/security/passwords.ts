import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** RFC 7914, with the parameters that OWASP recommends for a server without much memory to spare. */
const COST = { N: 2 ** 14, r: 8, p: 5, maxmem: 64 << 20 };
const KEY_LENGTH = 32;

export interface PasswordHash {
  readonly hash: string;
  readonly salt: string;
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16);
  const key = await derive(password, salt);
  return { hash: key.toString('base64'), salt: salt.toString('base64') };
}

export async function verifyPassword(password: string, stored: PasswordHash): Promise<boolean> {
  const key = await derive(password, Buffer.from(stored.salt, 'base64'));
  const expected = Buffer.from(stored.hash, 'base64');
  return key.length === expected.length && timingSafeEqual(key, expected);
}

/** Keys are derived on the threads that also sync the log: whoever guesses passwords must leave some of them free. */
const AT_ONCE = 2;
let deriving = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, salt: Buffer): Promise<Buffer> {
  if (deriving >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else deriving++;
  try {
    return await new Promise((resolve, reject) => {
      scrypt(password, salt, KEY_LENGTH, COST, (error, key) => (error ? reject(error) : resolve(key)));
    });
  } finally {
    const next = waiting.shift();
    if (next === undefined) deriving--;
    else next();
  }
}
