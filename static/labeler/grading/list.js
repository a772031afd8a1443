// The reader's list as this page knows it: what is still to grade, what was graded, and where the reader is in it.
// Nothing here touches the page.

/**
 * What the server tells of an image; the grade or the reason is there once it was graded.
 * @typedef {{id: string, version: number, number: number, image: string, long_side: number, label: string,
 *   undo: string}} Place
 * @typedef {{grade?: string | number | null, not_gradable?: string, note?: string}} Label
 * @typedef {Place & Label} Card
 * @typedef {{upcoming: Card[], back: Card[], progress: {done: number, total: number}}} State
 */

export class ReadingList {
  /**
   * Begin from the server's answer.
   * @param {State} state
   * @param {(id: string) => boolean} isHeld tells of images whose label is still on its way there
   */
  constructor({ upcoming, back, progress }, isHeld) {
    this.isHeld = isHeld;
    /** @type {Card[]} */
    this.ahead = []; // still to grade; ahead[0] is next
    this.back = back.toReversed(); // graded, the latest last
    /** @type {number | null} */
    this.cursor = null; // index in `back` while looking back
    this.done = progress.done;
    this.total = progress.total;
    this.receive(upcoming);
  }

  /** Add what is not known yet to the end. @param {Card[]} cards */
  receive(cards) {
    const known = new Set([...this.back, ...this.ahead].map((card) => card.id));
    this.ahead.push(...cards.filter(({ id }) => !known.has(id) && !this.isHeld(id)));
  }

  /** Add what was graded before all that is known, the latest first. @param {Card[]} cards */
  receiveOlder(cards) {
    const known = new Set([...this.back, ...this.ahead].map((card) => card.id));
    const older = cards.filter(({ id }) => !known.has(id) && !this.isHeld(id)).toReversed();
    this.back.unshift(...older);
    if (this.cursor !== null) this.cursor += older.length;
  }

  get isLookingBack() {
    return this.cursor !== null;
  }

  /** @returns {Card | undefined} */
  get current() {
    return this.cursor === null ? this.ahead[0] : this.back[this.cursor];
  }

  /** The last card known: the server is asked for what follows it. */
  get end() {
    return this.ahead.at(-1);
  }

  get place() {
    return `${this.current?.number ?? this.done} of ${this.total}`;
  }

  /**
   * Label the current card and return it as it was before; undefined when there is none.
   * @param {Label} label
   */
  give(label) {
    const card = this.cursor === null ? this.ahead.shift() : this.back.splice(this.cursor, 1)[0];
    if (!card) return undefined;
    this.back.push({ ...card, version: card.version + 1, ...label });
    if (this.cursor === null) this.done += 1;
    this.cursor = null;
    return card;
  }

  /** Take back the last label and return its card as it was before; undefined when there is none. */
  undo() {
    const card = this.back.pop();
    if (!card) return undefined;
    this.ahead.unshift({ ...card, version: card.version + 1, grade: null, not_gradable: "" });
    this.cursor = null;
    this.done -= 1;
    return card;
  }

  /**
   * Go to an older (-1) or a newer (+1) graded card; after the newest comes the one to grade. False at the ends.
   * @param {number} step
   */
  look(step) {
    const place = (this.cursor ?? this.back.length) + step;
    if (place < 0 || place > this.back.length) return false;
    this.cursor = place === this.back.length ? null : place;
    return true;
  }
}
