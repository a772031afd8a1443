// What a reader did and the server has not yet acknowledged: kept across reloads, sent in order, applied once. What
// the server refused stays here too, until the reader has read it. An entry holds ids and a grade; no image and
// nothing of a patient.

import { askedRest, ownAnswer, settles } from "./answers.js";
import { countOnShelves, Shelf } from "./shelf.js";

const FIRST_WAIT = 500; // ms before the first retry
const LONGEST_WAIT = 15_000; // ms
const PATIENCE = 20_000; // ms until a request without an answer is given up and sent again
const PREFIX = "outbox "; // of the names of all outboxes

/**
 * @typedef {import("./shelf.js").Entry} Entry
 * @typedef {import("./shelf.js").Fields} Fields
 * @typedef {import("./shelf.js").Said} Said
 *
 * @typedef {object} Handlers
 * @property {(waiting: number) => void} changed when entries come or go
 * @property {(answer: import("./answers.js").Answer) => void} stored when the server took an entry
 * @property {(name: string, sentence: string) => void} refused when it will not
 * @property {(refusals: Entry[]) => void} notKept with all refusals that were not read yet
 * @property {(waiting: number, status: number) => void} waiting when saving is held up; 0 means without an answer,
 *   and 302 that we are sent elsewhere
 * @property {() => void} saved when saving has caught up
 * @property {(isBroken: boolean) => void} keeping when the browser can't keep entries, and when it can again
 */

export class Outbox {
  /** @type {Entry[]} */
  entries = [];
  wait = FIRST_WAIT;
  heldUp = false;
  restUntil = 0; // by performance.now()
  /** @type {number | undefined} */
  timer = undefined;
  /** @type {Promise<void> | null} */
  sending = null;

  /**
   * @param {string} owner the study and the reader, as our answers name them
   * @param {string} csrfCookie the cookie's name
   * @param {Handlers} handlers
   */
  constructor(owner, csrfCookie, handlers) {
    this.owner = owner;
    this.csrfCookie = csrfCookie;
    this.handlers = handlers;
    this.shelf = new Shelf(PREFIX + owner, () => this.entries, handlers.keeping);
    this.tabs = typeof BroadcastChannel === "function" ? new BroadcastChannel(PREFIX + owner) : null;
  }

  /**
   * Open the outbox of one reader, with what was left in it.
   * @param {string} owner
   * @param {string} csrfCookie
   * @param {Handlers} handlers
   */
  static async open(owner, csrfCookie, handlers) {
    const outbox = new Outbox(owner, csrfCookie, handlers);
    const kept = new Map((await outbox.shelf.all()).map((entry) => [entry.fields.submission, entry]));
    outbox.entries = [...kept.values()];
    outbox.tabs?.addEventListener("message", ({ data }) => outbox.hear(data));
    window.addEventListener("online", () => outbox.send());
    window.addEventListener("focus", () => outbox.send());
    window.addEventListener("beforeunload", (event) => outbox.shelf.isBroken && outbox.waiting.length && event.preventDefault());
    outbox.tell();
    return outbox;
  }

  get waiting() {
    return this.entries.filter((entry) => !entry.refused);
  }

  get refusals() {
    return this.entries.filter((entry) => entry.refused);
  }

  /** What names the session, and changes with every sign-in. */
  get session() {
    return cookie(this.csrfCookie);
  }

  /** @param {string} id of an image */
  holds(id) {
    return this.waiting.some((entry) => entry.id === id);
  }

  /**
   * Keep `fields` under a submission id of their own for `url`, and send them.
   * @param {string} id
   * @param {string} url
   * @param {Fields} fields
   * @param {Said} said
   */
  add(id, url, fields, said) {
    const entry = { id, url, since: Date.now(), said, fields: { submission: newId(), ...fields } };
    this.entries.push(entry);
    this.shelf.add(entry);
    this.tell();
    this.send();
  }

  /** Send everything, oldest first. One tab at a time: another's entries are sent along with ours. */
  send() {
    this.sending ??= this.alone(() => this.sendAll()).finally(() => {
      this.sending = null;
      if (this.waiting.length && !this.heldUp) this.send(); // came while the last one was being settled
    });
    return this.sending;
  }

  /** @param {() => Promise<void>} work */
  async alone(work) {
    let hasBegun = false;
    const begin = () => {
      hasBegun = true;
      return work();
    };
    // Absent in old browsers, and refused along with the storage: what comes twice is applied once.
    await navigator.locks?.request(PREFIX + this.owner, begin).catch(() => {});
    if (!hasBegun) await begin();
  }

  async sendAll() {
    if (performance.now() < this.restUntil) return;
    clearTimeout(this.timer);
    const stuck = new Set(); // images of which an act waits: what follows it must wait too
    let isReached = true;
    for (let next; isReached && (next = this.waiting.find(({ id }) => !stuck.has(id))); ) {
      const status = await this.sendOne(next);
      if (status === 200) continue;
      stuck.add(next.id);
      // One act may be stuck at somebody's filter while others pass; without a server there is no point.
      isReached = status >= 400 && status < 500 && status !== 429;
    }
    if (this.heldUp && !stuck.size) this.handlers.saved();
    this.heldUp = stuck.size > 0;
  }

  /**
   * Send one entry. Return 200 when it is settled, whichever way; otherwise what somebody answered, and 0 for nothing.
   * @param {Entry} entry
   */
  async sendOne(entry) {
    const response = await this.post(entry).catch(() => null);
    const answer = await ownAnswer(response);
    if (!response || !answer || !settles(response, answer, this.owner, entry.fields.submission)) {
      const isAnothers = answer !== null && answer.reader !== this.owner; // session: nothing is said of this act
      return this.later(response, isAnothers ? 403 : undefined);
    }
    this.wait = FIRST_WAIT;
    if (response.ok) this.settle(entry);
    else this.refuse(entry, answer.error ?? "");
    this.tell();
    if (response.ok) this.handlers.stored(answer);
    else this.handlers.refused(answer.refused ?? "", answer.error ?? "");
    return 200;
  }

  /** @param {Entry} entry */
  post({ url, fields, since }) {
    const waited = Math.max(0, Math.round(Date.now() - (since ?? Date.now()))); // an operator's clock for trouble
    return fetch(url, {
      method: "POST",
      body: new URLSearchParams(Object.entries(fields).map(([name, value]) => [name, String(value)])),
      // The cookie's token, not the page's: signing in again in another tab has changed it.
      headers: { Accept: "application/json", "X-CSRFToken": this.session, "X-Waited-Ms": String(waited) },
      redirect: "manual",
      keepalive: true, // outlives a closed tab
      signal: AbortSignal.timeout(PATIENCE),
    });
  }

  /**
   * Send again after a while that grows, and after what was asked for: a full site says when it will have room.
   * @param {Response | null} response that settled nothing
   * @param {number} [means] the status that it amounts to
   */
  later(response, means) {
    const rest = askedRest(response);
    this.restUntil = performance.now() + rest;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), Math.max(this.wait, rest + 1));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    const status = means ?? (response?.type === "opaqueredirect" ? 302 : (response?.status ?? 0));
    this.handlers.waiting(this.waiting.length, status);
    return status === 200 ? 299 : status; // a 200 that is not ours settles nothing
  }

  /** @param {Entry} entry */
  settle(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.shelf.replace(entry.fields.submission);
  }

  /**
   * @param {Entry} entry
   * @param {string} sentence
   */
  refuse(entry, sentence) {
    entry.refused = sentence;
    this.shelf.replace(entry.fields.submission, entry);
    this.tabs?.postMessage({ refused: entry });
  }

  /** The reader has read all refusals, here and in every other tab. What is gone from the page is gone for good. */
  async forgetRefusals() {
    const read = this.refusals.map(({ fields }) => fields.submission);
    await Promise.all(read.map((submission) => this.shelf.replace(submission)));
    this.tabs?.postMessage({ read });
    this.hear({ read });
  }

  /** Take over what another tab was told. @param {{refused?: Entry, read?: string[]}} news */
  hear({ refused, read = [] }) {
    const gone = new Set([...read, refused?.fields.submission]);
    this.entries = this.entries.filter(({ fields }) => !gone.has(fields.submission));
    if (refused) this.entries.push(refused);
    this.tell();
  }

  tell() {
    this.handlers.changed(this.waiting.length);
    this.handlers.notKept(this.refusals);
  }
}

/** Count what waits in all outboxes of this browser. */
export const waitingInThisBrowser = () => countOnShelves(PREFIX, (entry) => !entry.refused);

/** Return a random UUID, also where the browser makes none: outside of https. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const [...bytes] = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** @param {string} name */
function cookie(name) {
  const pair = document.cookie.split("; ").find((candidate) => candidate.startsWith(`${name}=`));
  return pair?.slice(name.length + 1) ?? "";
}
