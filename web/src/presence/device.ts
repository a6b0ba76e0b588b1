export type DeviceKind = 'phone' | 'tablet' | 'desktop' | 'unknown';

/** What kind of device this is, by how it is pointed at and how large it is. */
export function deviceKind(): DeviceKind {
  const isTouched = matchMedia('(pointer: coarse)').matches;
  if (!isTouched) return matchMedia('(pointer: fine)').matches ? 'desktop' : 'unknown';
  return Math.min(screen.width, screen.height) < 600 ? 'phone' : 'tablet';
}

/** Minutes east of UTC where the device is. */
export function utcOffsetMinutes(): number {
  return -new Date().getTimezoneOffset();
}
