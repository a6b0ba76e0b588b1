const VERSION = 'NATS/1.0';
const ASCII = /^[ -~]*$/;

/**
 * What is said of a message beside its body, as it goes on the wire (NATS: "Message headers"). The client's own headers
 * look at each letter when they are set and are put together from a map of lists, which was a tenth of what the relay
 * does for an event.
 */
export class Headers {
  #text = VERSION;

  /** @throws RangeError where the value is more than printable ASCII, and might begin another header */
  add(name: string, value: string): this {
    if (!ASCII.test(value)) throw new RangeError(`the header ${name} is not printable ASCII`);
    this.#text += `\r\n${name}: ${value}`;
    return this;
  }

  get(name: string): string | undefined {
    return this.entries().find(([known]) => known === name)?.[1];
  }

  entries(): [name: string, value: string][] {
    return this.#text
      .split('\r\n')
      .slice(1)
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 2)];
      });
  }

  encode(): Uint8Array {
    return Buffer.from(`${this.#text}\r\n\r\n`, 'latin1');
  }
}
