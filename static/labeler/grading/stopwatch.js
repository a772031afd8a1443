// How long an image has been on the screen: decoded, painted, and in a tab that is in front.

export class Stopwatch {
  spent = 0; // ms up to `since`
  /** @type {number | null} */
  since = null; // when the present stretch began
  isRunning = false;

  constructor() {
    document.addEventListener("visibilitychange", () => this.settle());
  }

  reset() {
    this.spent = 0;
    this.since = null;
    this.isRunning = false;
  }

  start() {
    this.reset();
    this.isRunning = true;
    this.settle();
  }

  get milliseconds() {
    this.settle();
    return Math.round(this.spent);
  }

  settle() {
    const now = performance.now();
    if (this.since !== null) this.spent += now - this.since;
    this.since = this.isRunning && !document.hidden ? now : null;
  }
}
