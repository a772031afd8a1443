// Images fetched and decoded ahead. They live in this tab's memory only: no face stays on a shared workstation's disk.

export class Pictures {
  constructor() {
    this.decoded = new Map(); // card id -> promise of a decoded <img>
  }

  /** Return a promise of the card's decoded image; asking again does not fetch again. */
  of(card) {
    if (!this.decoded.has(card.id)) {
      const picture = decode(card.image);
      this.decoded.set(card.id, picture);
      picture.catch(() => this.decoded.delete(card.id));
    }
    return this.decoded.get(card.id);
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
