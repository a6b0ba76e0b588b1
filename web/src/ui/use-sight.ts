import { type RefObject, useEffect } from 'react';

/** How long something has to be in sight before it counts as seen. */
const SEEN_AFTER_MS = 1_000;

/** Calls `onSeen` once the element has been in sight, on a page that is visible, for a while. */
export function useSight(
  element: RefObject<Element | null>,
  key: string,
  onSeen: (key: string) => void,
): void {
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    let inView = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      clearTimeout(timer);
      if (inView && document.visibilityState === 'visible')
        timer = setTimeout(() => onSeen(key), SEEN_AFTER_MS);
    };
    const observer = new IntersectionObserver(
      ([entry]) => {
        inView = entry?.isIntersecting ?? false;
        look();
      },
      { threshold: 0.5 },
    );
    observer.observe(target);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      document.removeEventListener('visibilitychange', look);
    };
  }, [element, key, onSeen]);
}
