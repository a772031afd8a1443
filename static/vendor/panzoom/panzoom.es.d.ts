// Ours: the types of what we use. `make lint` reads it, browsers do not.

interface Options {
  animate?: boolean;
  contain?: "inside" | "outside";
  cursor?: string;
  duration?: number;
  maxScale?: number;
  panOnlyWhenZoomed?: boolean;
  step?: number;
}

interface PanzoomObject {
  getScale(): number;
  reset(options?: Options): void;
  zoom(scale: number, options?: Options): void;
  zoomIn(options?: Options): void;
  zoomOut(options?: Options): void;
  zoomToPoint(scale: number, point: { clientX: number; clientY: number }, options?: Options): void;
  zoomWithWheel(event: WheelEvent, options?: Options): void;
}

export default function Panzoom(element: HTMLElement, options?: Options): PanzoomObject;
