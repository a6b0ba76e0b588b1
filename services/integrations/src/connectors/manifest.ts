import { CONTENT_REF, TipKind } from '@oo/contracts';
import { z } from 'zod';
import { SIGNAL_TYPES } from './signal.js';

/** Features of a todo that may leave a provider. Nothing that is not in this list can become a feature. */
export const FEATURES = ['priority', 'dueAt', 'estimatedMinutes'] as const;
export type Feature = (typeof FEATURES)[number];

const token = z.string().regex(/^[a-z][a-z0-9]{0,31}$/, 'must be a letter and up to 31 of a-z, 0-9');
const path = z.string().regex(/^\/[\w/{}.-]*$/, 'must be a path that starts with /');

/** What an integration says of itself. All of its HTTP is told here, so that it has no code for it. */
export const manifestSchema = z.strictObject({
  /** First part of each of its references, and its name in `unreachable`. */
  name: token,
  title: z.string().min(1).max(60),
  version: z.string().regex(/^\d+\.\d+\.\d+$/, 'must be like 1.2.3'),
  /** Environment variable with the provider's base URL. Without a value the integration is off. */
  address: z.string().regex(/^OO_[A-Z0-9_]+_URL$/, 'must be like OO_NAME_URL'),
  /** GET: what is open for `{user}`. */
  listing: path.refine((text) => text.includes('{user}'), 'must contain {user}'),
  /** GET: one item, by the last part of its reference; 404 or 410 when it is gone. */
  item: path.refine(
    (text) => text.includes('{user}') && text.includes('{id}'),
    'must contain {user} and {id}',
  ),
  /** Middle part of a reference → what such a thing is tipped as. Other kinds are never candidates. */
  kinds: z
    .record(token, z.enum([TipKind.TIP_KIND_TODO, TipKind.TIP_KIND_ADVICE]))
    .refine((kinds) => Object.keys(kinds).length > 0, 'must name at least one kind'),
  features: z.array(z.enum(FEATURES)),
  /** Types of signals that it sends. */
  signals: z.array(z.enum(SIGNAL_TYPES)),
  /** How long one answer of the provider is waited for. */
  timeoutMs: z.int().min(50).max(5000),
});
export type Manifest = Readonly<z.infer<typeof manifestSchema>>;

/** A reference's parts, or undefined where it is not well-formed. */
export function refParts(ref: string): { provider: string; kind: string; id: string } | undefined {
  const [provider, kind, id] = ref.split(':');
  if (!CONTENT_REF.test(ref) || provider === undefined || kind === undefined || id === undefined)
    return undefined;
  return { provider, kind, id };
}
