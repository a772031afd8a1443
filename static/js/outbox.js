// What a reader did and the server has not yet acknowledged: kept across reloads, sent in order, once each.
// An entry holds ids and a grade; no image and nothing of a patient.

const FIRST_WAIT = 500; // ms before the first retry
const LONGEST_WAIT = 15_000; // ms

export class Outbox {
  /** `handlers`: waiting(count) and signedOut(count) when saving is held up, saved() when it has caught up,
   *  refused(sentence) when the server will not take an entry. */
  constructor(key, csrfToken, handlers) {
    this.key = key;
    this.csrfToken = csrfToken;
    this.handlers = handlers;
    this.entries = JSON.parse(localStorage.getItem(key) ?? "[]");
    this.sending = false;
    this.wait = FIRST_WAIT;
    window.addEventListener("online", () => this.send());
  }

  /** Keep `fields` (with its own submission id) for `url`, and send it. */
  add(id, url, fields) {
    this.entries.push({ id, url, fields: { submission: crypto.randomUUID(), ...fields } });
    this.store();
    this.send();
  }

  holds(id) {
    return this.entries.some((entry) => entry.id === id);
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    while (this.entries.length && (await this.sendFirst()));
    this.sending = false;
    if (this.heldUp && !this.entries.length) this.handlers.saved();
    this.heldUp = this.entries.length > 0;
  }

  /** Send the oldest entry. True when it is settled and the next may follow. */
  async sendFirst() {
    const entry = this.entries[0];
    const response = await this.post(entry).catch(() => null);
    if (response?.type === "opaqueredirect" || response?.status === 403) {
      this.handlers.signedOut(this.entries.length);
      return this.later();
    }
    if (!response || response.status >= 500 || response.status === 429) return this.later();
    this.entries.shift();
    this.store();
    this.wait = FIRST_WAIT;
    if (!response.ok) this.handlers.refused(await reason(response));
    return true;
  }

  post({ url, fields }) {
    return fetch(url, {
      method: "POST",
      body: new URLSearchParams(fields),
      headers: { Accept: "application/json", "X-CSRFToken": this.csrfToken },
      redirect: "manual",
      keepalive: true, // outlives a closed tab
    });
  }

  later() {
    this.handlers.waiting(this.entries.length);
    this.timer = setTimeout(() => this.send(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    return false;
  }

  store() {
    localStorage.setItem(this.key, JSON.stringify(this.entries));
  }
}

async function reason(response) {
  const answer = await response.json().catch(() => ({}));
  return answer.error ?? `The server answered ${response.status}.`;
}
