/** Draws a ThumbHash (https://evanw.github.io/thumbhash/): the few waves that an image is, roughly, in 25 bytes. */

const SIDE = 32;

/** A small canvas with the blurred image, or null where the text is no ThumbHash. */
export function blurred(base64) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
  if (bytes.length < 5) return null;
  const picture = decoded(bytes);
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

function decoded(bytes) {
  const head = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
  const shape = bytes[3] | (bytes[4] << 8);
  const hasAlpha = head >> 23 === 1;
  const isLandscape = shape >> 15 === 1;
  const most = hasAlpha ? 5 : 7;
  const across = isLandscape ? most : shape & 7;
  const down = isLandscape ? shape & 7 : most;

  let at = hasAlpha ? 12 : 10; // counted in halves of bytes
  const nextHalf = () => (bytes[at >> 1] >> (4 * (at++ & 1))) & 15;
  const waves = (columns, rows, scale) => {
    const found = [];
    for (let y = 0; y < rows; y++)
      for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x++) found.push([x, y, (nextHalf() / 7.5 - 1) * scale]);
    return found;
  };
  const light = channel((head & 63) / 63, waves(Math.max(3, across), Math.max(3, down), ((head >> 18) & 31) / 31));
  // The reference strengthens colours by a quarter, which quantising has dulled.
  const yellow = channel(((head >> 6) & 63) / 31.5 - 1, waves(3, 3, (((shape >> 3) & 63) / 63) * 1.25));
  const red = channel(((head >> 12) & 63) / 31.5 - 1, waves(3, 3, (((shape >> 9) & 63) / 63) * 1.25));
  const alpha = hasAlpha ? channel((bytes[5] & 15) / 15, waves(5, 5, (bytes[5] >> 4) / 15)) : () => 1;

  const ratio = across / down;
  const width = Math.max(1, Math.round(ratio > 1 ? SIDE : SIDE * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? SIDE / ratio : SIDE));
  const picture = new ImageData(width, height);
  for (let y = 0, offset = 0; y < height; y++)
    for (let x = 0; x < width; x++, offset += 4) {
      const [u, v] = [(x + 0.5) / width, (y + 0.5) / height];
      const [l, p, q] = [light(u, v), yellow(u, v), red(u, v)];
      const blue = l - (2 / 3) * p;
      const r = (3 * l - blue + q) / 2;
      picture.data.set(
        [r, r - q, blue, alpha(u, v)].map((value) => value * 255),
        offset,
      ); // clamped by its type
    }
  return picture;
}

/** A channel's value at a place, as the sum of its waves. */
function channel(mean, waves) {
  return (u, v) =>
    waves.reduce(
      (sum, [x, y, strength]) => sum + 2 * strength * Math.cos(Math.PI * x * u) * Math.cos(Math.PI * y * v),
      mean,
    );
}
