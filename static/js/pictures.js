// Images fetched and decoded ahead. They live in this tab's memory only: no face stays on a shared workstation's disk.

const SIZES = [["1600", 1600], ["2560", 2560], ["full", Infinity]]; // the server's renditions, by long side

export class Pictures {
  /** `stage`: the element that an image fills; its device pixels decide which rendition is fetched. */
  constructor(stage) {
    this.stage = stage;
    this.decoded = new Map(); // card id, alone or "in full" -> promise of a decoded <img>
  }

  get size() {
    const pixels = Math.max(this.stage.clientWidth, this.stage.clientHeight) * devicePixelRatio;
    return SIZES.find(([, longSide]) => longSide >= pixels)[0];
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
    if (!this.decoded.has(key)) {
      const picture = decode(url);
      this.decoded.set(key, picture);
      picture.catch(() => this.decoded.delete(key));
    }
    return this.decoded.get(key);
  }

  /** Forget every image but those of `cards`. */
  keepOnly(cards) {
    const wanted = new Set(cards.map((card) => card.id));
    for (const [id, picture] of this.decoded) {
      if (wanted.has(id)) continue;
      this.decoded.delete(id);
      picture.then((image) => URL.revokeObjectURL(image.src)).catch(() => {});
    }
  }
}

async function decode(url) {
  const response = await fetch(url, { redirect: "manual" });
  if (!response.ok) throw new Error(`The image was answered with ${response.status}.`);
  const image = new Image();
  image.alt = "The selfie to grade";
  image.draggable = false;
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  return image;
}
