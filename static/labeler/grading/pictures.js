// Images fetched and decoded ahead. They live in this tab's memory only: no face stays on a shared workstation's disk.

const SIZES = [["1600", 1600], ["2560", 2560], ["full", Infinity]]; // the server's renditions, by long side

export class SignedOutError extends Error {}
export class GoneError extends Error {} // nobody may see it any more

export class Pictures {
  /** `stage`: the element that an image fills; its device pixels decide which rendition is fetched. */
  constructor(stage) {
    this.stage = stage;
    this.wanted = new Map(); // card id, alone or "in full" -> promise of a decoded <img>
    this.decoded = new Map(); // the same, once it is there
  }

  get size() {
    const pixels = Math.max(this.stage.clientWidth, this.stage.clientHeight) * devicePixelRatio;
    return SIZES.find(([, longSide]) => longSide >= pixels)[0];
  }

  /** Return the card's image if it is decoded: no await lies between a key and the next image. */
  ready(card) {
    return this.decoded.get(card.id);
  }

  /** Return a promise of the card's decoded image; asking again does not fetch again. */
  of(card) {
    return this.once(card.id, `${card.image}?size=${this.size}`);
  }

  /** Return a promise of the card's image with every pixel that the photograph has. */
  inFull(card) {
    return this.once(`${card.id} in full`, `${card.image}?size=full`);
  }

  once(key, url) {
    if (!this.wanted.has(key)) this.wanted.set(key, this.fetch(key, url));
    return this.wanted.get(key);
  }

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

  /** Forget every image but those of `cards`. */
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

async function decode(url) {
  const response = await fetch(url, { redirect: "manual" });
  if (response.type === "opaqueredirect") throw new SignedOutError();
  if (response.status === 410) throw new GoneError();
  if (!response.ok) throw new Error(`The image was answered with ${response.status}.`);
  const image = new Image();
  image.alt = "The selfie to grade";
  image.draggable = false;
  image.decoding = "sync"; // never a frame without it
  image.elementTiming = "selfie"; // the browser tells when it was painted: benchmarks/grading_page.py
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  return image;
}
