// Looking at one image: fit, zoom to the pointer, pan, its own pixels, brightness and contrast for viewing only.

import Panzoom from "../../vendor/panzoom/panzoom.es.js";

const LARGEST = 12; // times the fitted size
const STEP = 0.4; // of zooming by key, as Panzoom counts it

export class Viewer {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.stage the window onto the picture
   * @param {HTMLElement} parts.picture
   * @param {HTMLFormElement} parts.lights holds the brightness and contrast sliders
   * @param {HTMLElement} parts.scale tells the zoom
   * @param {(image: HTMLImageElement) => Promise<HTMLImageElement | null>} parts.fetchDetail
   *   promises the image on the stage with more pixels, or null when there are none
   */
  constructor({ stage, picture, lights, scale, fetchDetail }) {
    this.stage = stage;
    this.picture = picture;
    this.lights = lights;
    this.scale = scale;
    this.fetchDetail = fetchDetail;
    this.widest = 1;
    this.hasDetail = false;
    this.panzoom = Panzoom(picture, {
      maxScale: LARGEST,
      contain: "outside",
      panOnlyWhenZoomed: true,
      cursor: "default",
      step: STEP,
      animate: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      duration: 120, // ms
    });
    stage.addEventListener("wheel", (event) => this.panzoom.zoomWithWheel(event, { animate: false }), { passive: false });
    stage.addEventListener("dblclick", (event) => this.toggleActualSize(event));
    picture.addEventListener("panzoomchange", () => this.tellScale());
    lights.addEventListener("input", () => this.applyLights());
    lights.addEventListener("reset", () => requestAnimationFrame(() => this.applyLights()));
  }

  /** Put an image on the stage, whole and unaltered. @param {HTMLImageElement} image */
  show(image) {
    this.picture.replaceChildren(image);
    this.widest = 1;
    this.hasDetail = false;
    this.fit({ animate: false });
    this.lights.reset();
  }

  /** Show nothing: better than an image that is not the one to grade. */
  clear() {
    this.picture.replaceChildren();
    this.fit({ animate: false });
  }

  get image() {
    return this.picture.querySelector("img");
  }

  zoomIn() {
    this.panzoom.zoomIn();
  }

  zoomOut() {
    this.panzoom.zoomOut();
  }

  /** @param {{animate: boolean}} [options] */
  fit(options) {
    this.panzoom.reset(options);
  }

  /**
   * Change between the whole image and one image pixel on one device pixel.
   * @param {MouseEvent} [event] where to zoom to; otherwise the middle
   */
  toggleActualSize(event) {
    if (!this.image) return;
    if (this.panzoom.getScale() > 1.01) return this.fit();
    const scale = Math.max(1, 1 / this.pixelsPerImagePixel(this.image, 1));
    if (event) this.panzoom.zoomToPoint(scale, event);
    else this.panzoom.zoom(scale);
  }

  /**
   * Return the device pixels that show one pixel of the image at a zoom.
   * @param {HTMLImageElement} image
   * @param {number} zoom
   */
  pixelsPerImagePixel({ naturalWidth, naturalHeight }, zoom) {
    const fitted = Math.min(1, this.stage.clientWidth / naturalWidth, this.stage.clientHeight / naturalHeight);
    return fitted * zoom * devicePixelRatio;
  }

  tellScale() {
    const { image } = this;
    if (!image) return;
    const zoom = this.panzoom.getScale();
    this.widest = Math.max(this.widest, zoom);
    const isZoomed = zoom > 1.01;
    if (isZoomed && this.pixelsPerImagePixel(image, zoom) > 1) this.showDetail(image);
    const isBeyond = isZoomed && this.pixelsPerImagePixel(image, zoom) > 1.01;
    this.scale.hidden = !isZoomed;
    this.scale.textContent = `${zoom.toFixed(1)}×${isBeyond ? " · beyond the photograph's own detail" : ""}`;
    // Blocks, not blur: what is not in the photograph must not look as if it were.
    this.picture.classList.toggle("beyond", isBeyond);
    this.picture.classList.toggle("zoomed", isZoomed);
  }

  /** Put every pixel of the photograph on the stage, in the place of a smaller rendition. @param {HTMLImageElement} before */
  async showDetail(before) {
    if (this.hasDetail) return;
    this.hasDetail = true;
    const detailed = await this.fetchDetail(before);
    if (!detailed || this.image !== before) return;
    detailed.style.filter = before.style.filter;
    detailed.dataset.detail = "";
    before.replaceWith(detailed);
    this.tellScale();
  }

  applyLights() {
    const lights = new FormData(this.lights);
    if (this.image) this.image.style.filter = `brightness(${lights.get("brightness")}%) contrast(${lights.get("contrast")}%)`;
  }
}
