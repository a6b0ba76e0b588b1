import { type CandidateItem, edge, Priority } from '@oo/contracts';
import { type Manifest, refParts } from './manifest.js';

/**
 * What of a mapped item may leave: a well-formed reference of this very provider, of a kind that its manifest
 * names, with the features that it allows and no other. Undefined where nothing may.
 *
 * The mapper's word is not taken for it: a field that it copied by mistake ends here.
 */
export function admit(manifest: Manifest, item: CandidateItem): CandidateItem | undefined {
  const parts = refParts(item.ref);
  if (parts === undefined || parts.provider !== manifest.name) return undefined;
  const kind = Object.hasOwn(manifest.kinds, parts.kind) ? manifest.kinds[parts.kind] : undefined;
  if (kind === undefined || kind !== item.kind) return undefined;
  const allowed = (feature: (typeof manifest.features)[number]) => manifest.features.includes(feature);
  const admitted: CandidateItem = {
    ref: item.ref,
    kind,
    priority: allowed('priority') ? item.priority : Priority.PRIORITY_UNSPECIFIED,
    ...(allowed('dueAt') && item.dueAt !== undefined ? { dueAt: item.dueAt } : {}),
    ...(allowed('estimatedMinutes') && item.estimatedMinutes !== undefined
      ? { estimatedMinutes: item.estimatedMinutes }
      : {}),
  };
  const unspecified = admitted.priority === Priority.PRIORITY_UNSPECIFIED;
  const { priority: _, ...rest } = admitted;
  // The schema knows no "unspecified": in JSON that is an absent field.
  const parsed = edge.queries.CandidateList.safeParse({ items: [unspecified ? rest : admitted] });
  return parsed.success ? parsed.data.items[0] : undefined;
}
