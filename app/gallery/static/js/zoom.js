/** Zooming and moving a picture: wheel, double click, pinch, drag, keys. */

const MOST = 8;

export class Zoom extends EventTarget {
  #frame;
  #picture = null;
  #scale = 1;
  #x = 0;
  #y = 0;
  #pointers = new Map();

  /** `frame` is what shows the picture; `swipe(direction)` is called when it is swept aside while it is whole. */
  constructor(frame, { swipe }) {
    super();
    this.#frame = frame;
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("dblclick", (event) => this.toggle(event));
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => this.#up(event, swipe));
  }

  get isZoomed() {
    return this.#scale > 1;
  }

  /** Start anew with this element. */
  take(picture) {
    this.#picture = picture;
    this.#pointers.clear();
    this.reset();
  }

  reset() {
    this.#to(1, 0, 0);
  }

  toggle(event) {
    if (this.isZoomed) this.reset();
    else this.by(2.5, event);
  }

  /** Zoom by a factor; what is under the event's pointer, or in the middle, stays where it is. */
  by(factor, { clientX, clientY } = {}) {
    const box = this.#frame.getBoundingClientRect();
    const [left, top] = [
      (clientX ?? box.x + box.width / 2) - box.x - box.width / 2,
      (clientY ?? box.y + box.height / 2) - box.y - box.height / 2,
    ];
    const scale = Math.min(MOST, Math.max(1, this.#scale * factor));
    const change = scale / this.#scale;
    this.#to(scale, left - (left - this.#x) * change, top - (top - this.#y) * change);
  }

  #to(scale, x, y) {
    const wasZoomed = this.isZoomed;
    const { offsetWidth: width = 0, offsetHeight: height = 0 } = this.#picture ?? {};
    const room = (side, frame) => Math.max(0, (side * scale - frame) / 2);
    const [across, down] = [room(width, this.#frame.clientWidth), room(height, this.#frame.clientHeight)];
    this.#scale = scale;
    this.#x = Math.min(across, Math.max(-across, x));
    this.#y = Math.min(down, Math.max(-down, y));
    this.#picture?.style.setProperty("transform", `translate(${this.#x}px, ${this.#y}px) scale(${scale})`);
    if (wasZoomed !== this.isZoomed) this.dispatchEvent(new Event("change"));
  }

  #wheel(event) {
    event.preventDefault();
    this.by(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), event);
  }

  #down(event) {
    if (event.target.closest("button")) return;
    this.#frame.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: event.clientX });
  }

  #move(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const before = this.#spread();
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    pointer.x = event.clientX;
    pointer.y = event.clientY;
    if (this.#pointers.size === 2) {
      const { distance, ...middle } = this.#spread();
      this.by(distance / before.distance, middle);
    } else if (this.isZoomed) this.#to(this.#scale, this.#x + dx, this.#y + dy);
  }

  #up(event, swipe) {
    const pointer = this.#pointers.get(event.pointerId);
    this.#pointers.delete(event.pointerId);
    if (!pointer || this.isZoomed || this.#pointers.size || event.type !== "pointerup" || event.pointerType === "mouse")
      return;
    const way = event.clientX - pointer.from;
    if (Math.abs(way) > 48) swipe(way < 0 ? 1 : -1);
  }

  /** How far two fingers are apart, and the place between them. */
  #spread() {
    const [a, b = a] = [...this.#pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y) || 1, clientX: (a.x + b.x) / 2, clientY: (a.y + b.y) / 2 };
  }
}
