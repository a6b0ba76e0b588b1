import { Component, type ReactNode } from 'react';

/**
 * Whoever moves through the page by keyboard or reads it aloud stays in it: when what had the focus goes away, the
 * heading of what is there now takes it. A class, since only a class sees the document just before it changes.
 */
export class KeptFocus extends Component<{ readonly children: ReactNode }> {
  override getSnapshotBeforeUpdate(): boolean {
    return hasFocus();
  }

  override componentDidUpdate(_props: unknown, _state: unknown, hadFocus: boolean): void {
    if (hadFocus && !hasFocus()) document.querySelector<HTMLElement>('main h1')?.focus();
  }

  override render(): ReactNode {
    return this.props.children;
  }
}

function hasFocus(): boolean {
  return document.activeElement !== null && document.activeElement !== document.body;
}
