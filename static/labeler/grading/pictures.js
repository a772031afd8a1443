// Images fetched and decoded ahead. They live in this tab's memory only: no face stays on a shared workstation's disk.

import { askedRest } from "./saving/answers.js";

const FULL = "full";
const LONG_SIDES = [1600, 2560]; // pixels: of the server's renditions

/** @typedef {import("./list.js").Card} Card */

export class SignedOutError extends Error {}
export class GoneError extends Error {} // this session may not see it, any more or yet
/** The server asks for a rest. */
export class BusyError extends Error {
  /** @param {number} rest ms */
  constructor(rest) {
    super("The server asks to wait.");
    this.rest = rest;
  }
}

export class Pictures {
  /** @param {HTMLElement} stage the element that an image fills; its device pixels decide which rendition is fetched */
  constructor(stage) {
    this.stage = stage;
    /** @type {Map<string, Promise<HTMLImageElement>>} */
    this.wanted = new Map(); // by card id, alone or "in full"
    /** @type {Map<string, HTMLImageElement>} */
    this.decoded = new Map(); // the same, once they are there
  }

  get size() {
    const pixels = Math.max(this.stage.clientWidth, this.stage.clientHeight) * devicePixelRatio;
    return LONG_SIDES.find((longSide) => longSide >= pixels) ?? FULL;
  }

  /** Return the card's image if it is decoded: no await lies between a key and the next image. @param {Card} card */
  ready(card) {
    return this.decoded.get(card.id);
  }

  /** Return a promise of the card's decoded image; asking again does not fetch again. @param {Card} card */
  of(card) {
    return this.once(card.id, `${card.image}?size=${this.size}`);
  }

  /** Return a promise of the card's image with every pixel that the photograph has. @param {Card} card */
  inFull(card) {
    return this.once(`${card.id} in full`, `${card.image}?size=${FULL}`);
  }

  /**
   * @param {string} key
   * @param {string} url
   */
  once(key, url) {
    const promise = this.wanted.get(key) ?? this.fetch(key, url);
    this.wanted.set(key, promise);
    return promise;
  }

  /**
   * @param {string} key
   * @param {string} url
   */
  async fetch(key, url) {
    try {
      const image = await decode(url);
      if (this.wanted.has(key)) this.decoded.set(key, image);
      return image;
    } catch (error) {
      this.wanted.delete(key);
      throw error;
    }
  }

  /** Forget every image but those of `cards`. @param {Card[]} cards */
  keepOnly(cards) {
    const kept = new Set(cards.map((card) => card.id));
    for (const [key, image] of this.wanted) {
      if (kept.has(key)) continue;
      this.wanted.delete(key);
      this.decoded.delete(key);
      image.then(({ src }) => URL.revokeObjectURL(src)).catch(() => {});
    }
  }
}

/** @param {string} url */
async function decode(url) {
  const response = await fetch(url, { headers: { Accept: "image/webp, application/json" }, redirect: "manual" });
  if (response.type === "opaqueredirect") throw new SignedOutError();
  if ([403, 404, 410].includes(response.status)) throw new GoneError();
  const rest = askedRest(response);
  if (rest) throw new BusyError(rest);
  const isOurs = response.status === 200 && response.headers.get("Content-Type") === "image/webp";
  if (!isOurs) throw new Error(`The image was answered with ${response.status}.`);
  const image = new Image();
  image.alt = "The selfie to grade";
  image.draggable = false;
  image.decoding = "sync"; // never a frame without it
  image.setAttribute("elementtiming", "selfie"); // the browser tells when it was painted: benchmarks/grading/next_image.py
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  return image;
}
