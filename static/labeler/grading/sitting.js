// A sitting: grading without a real pause. After a long one a reader is reminded that eyes tire.

const MINUTE = 60_000; // ms
const LONG = 45 * MINUTE;
const PAUSE = 5 * MINUTE; // away for this long is a break

export class Sitting {
  /**
   * @param {(minutes: number) => void} remind is called once in every long sitting, and again when the reader has gone
   *   on for as long
   */
  constructor(remind) {
    this.remind = remind;
    this.since = this.last = Date.now();
  }

  /** Tell of one more image graded. */
  goOn() {
    const now = Date.now();
    if (now - this.last > PAUSE) this.since = now;
    this.last = now;
    if (now - this.since < LONG) return;
    this.since = now;
    this.remind(LONG / MINUTE);
  }
}
