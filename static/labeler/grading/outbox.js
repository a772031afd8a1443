// What a reader did and the server has not yet acknowledged: kept in IndexedDB across reloads and tabs,
// sent in order, applied once. An entry holds ids and a grade; no image and nothing of a patient.

const FIRST_WAIT = 500; // ms before the first retry
const LONGEST_WAIT = 15_000; // ms
const PATIENCE = 20_000; // ms until a request without an answer is given up and sent again
const PREFIX = "outbox "; // of the names of all outboxes

/**
 * @typedef {{[name: string]: string | number | null | undefined}} Fields of the form that an entry is sent as
 * @typedef {{id: string, url: string, since?: number, fields: Fields & {submission: string}}} Entry
 *
 * @typedef {object} Handlers
 * @property {(count: number) => void} changed when entries come or go
 * @property {(answer: {upcoming?: import("./list.js").Card[]}) => void} stored when the server took an entry
 * @property {(sentence: string) => void} refused when it will not
 * @property {(count: number) => void} waiting when saving is held up
 * @property {(count: number) => void} signedOut when the reader is
 * @property {() => void} saved when saving has caught up
 */

export class Outbox {
  /**
   * @param {string} name
   * @param {string} csrfCookie
   * @param {Handlers} handlers
   * @param {IDBDatabase} database
   */
  constructor(name, csrfCookie, handlers, database) {
    this.name = name;
    this.csrfCookie = csrfCookie;
    this.handlers = handlers;
    this.database = database;
    /** @type {Entry[]} */
    this.entries = [];
    this.wait = FIRST_WAIT;
    this.heldUp = false;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {Promise<void> | null} */
    this.sending = null;
  }

  /**
   * Open the outbox of one reader, with what was left in it.
   * @param {string} owner
   * @param {string} csrfCookie the cookie's name
   * @param {Handlers} handlers
   */
  static async open(owner, csrfCookie, handlers) {
    const name = PREFIX + owner;
    const outbox = new Outbox(name, csrfCookie, handlers, await openDatabase(name));
    outbox.entries = await outbox.stored();
    window.addEventListener("online", () => outbox.send());
    window.addEventListener("focus", () => outbox.entries.length && outbox.send());
    return outbox;
  }

  /**
   * Keep `fields` under a submission id of their own for `url`, and send them.
   * @param {string} id
   * @param {string} url
   * @param {Fields} fields
   */
  add(id, url, fields) {
    const entry = { id, url, since: Date.now(), fields: { submission: crypto.randomUUID(), ...fields } };
    this.entries.push(entry);
    this.handlers.changed(this.entries.length);
    const store = this.store("readwrite");
    store.transaction.oncomplete = () => this.send();
    store.transaction.onabort = () => this.send(); // no room on the disk: it is still in memory
    store.add(entry);
    store.transaction.commit(); // now: left to commit by itself, it would be undone by a reload that comes first
  }

  /** @param {string} id */
  holds(id) {
    return this.entries.some((entry) => entry.id === id);
  }

  /** Send everything, oldest first. One tab at a time: another's entries are sent along with ours. */
  send() {
    this.sending ??= navigator.locks
      .request(this.name, () => this.sendAll())
      .finally(() => {
        this.sending = null;
        if (this.entries.length && !this.heldUp) this.send(); // came while the last one was being settled
      });
    return this.sending;
  }

  async sendAll() {
    clearTimeout(this.timer);
    while (this.entries.length && (await this.sendFirst()));
    if (this.heldUp && !this.entries.length) this.handlers.saved();
    this.heldUp = this.entries.length > 0;
  }

  /** Send the oldest entry. True when it is settled and the next may follow. */
  async sendFirst() {
    const entry = this.entries[0];
    const response = await this.post(entry).catch(() => null);
    // Signed out, or signed in as somebody else who has no such image: keep it until this reader is back.
    if (response?.type === "opaqueredirect" || response?.status === 403 || response?.status === 404) {
      this.handlers.signedOut(this.entries.length);
      return this.later();
    }
    if (!response || response.status >= 500 || response.status === 429) {
      this.handlers.waiting(this.entries.length);
      return this.later(1000 * Number(response?.headers.get("Retry-After") ?? 0));
    }
    await this.settle(entry);
    const answer = await response.json().catch(() => ({}));
    if (response.ok) this.handlers.stored(answer);
    else this.handlers.refused(answer.error ?? `The server answered ${response.status}.`);
    return true;
  }

  /** @param {Entry} entry */
  post({ url, fields, since }) {
    const waited = Math.max(0, Math.round(Date.now() - (since ?? Date.now()))); // an operator's clock for trouble
    return fetch(url, {
      method: "POST",
      body: new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)])),
      // The cookie's token, not the page's: signing in again in another tab has changed it.
      headers: { Accept: "application/json", "X-CSRFToken": cookie(this.csrfCookie), "X-Waited-Ms": String(waited) },
      redirect: "manual",
      keepalive: true, // outlives a closed tab
      signal: AbortSignal.timeout(PATIENCE),
    });
  }

  /** @param {Entry} entry */
  async settle(entry) {
    this.entries.shift();
    this.wait = FIRST_WAIT;
    const store = this.store("readwrite");
    const keys = await answer(store.index("submission").getAllKeys(entry.fields.submission));
    await Promise.all(keys.map((key) => answer(store.delete(key))));
    this.handlers.changed(this.entries.length);
  }

  /**
   * Send again after a while that grows, and after `least` ms: a full site says when it will have room.
   * @param {number} least
   */
  later(least = 0) {
    this.timer = setTimeout(() => this.send(), Math.max(this.wait, least || 0));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    return false;
  }

  stored() {
    return answer(this.store("readonly").getAll());
  }

  /** @param {IDBTransactionMode} mode */
  store(mode) {
    return this.database.transaction("entries", mode).objectStore("entries");
  }
}

/** Count what waits in all outboxes of this browser. */
export async function waitingInThisBrowser() {
  const databases = (await indexedDB.databases?.()) ?? [];
  const outboxes = databases.map(({ name }) => name ?? "").filter((name) => name.startsWith(PREFIX));
  const counts = await Promise.all(outboxes.map(countEntries));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** @param {string} name */
async function countEntries(name) {
  const database = await openDatabase(name);
  const count = await answer(database.transaction("entries").objectStore("entries").count());
  database.close();
  return count;
}

/** @param {string} name */
async function openDatabase(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore("entries", { autoIncrement: true });
    store.createIndex("submission", "fields.submission");
  };
  return answer(request);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {string} name */
function cookie(name) {
  const pair = document.cookie.split("; ").find((candidate) => candidate.startsWith(`${name}=`));
  return pair?.slice(name.length + 1) ?? "";
}
