/** Numbers and times as people read them. */

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const number = new Intl.NumberFormat();

export const asDay = (time) => day.format(new Date(time));
export const asMoment = (time) => moment.format(new Date(time));
export const asHour = (time) => hour.format(new Date(time));

export function asBytes(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let step = 0;
  while (bytes >= 1000 && step < units.length - 1) {
    bytes /= 1000;
    step += 1;
  }
  return `${step && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[step]}`;
}

export function asPixels(width, height) {
  const millions = (width * height) / 1e6;
  const size = `${number.format(width)} × ${number.format(height)}`;
  return millions >= 0.1 ? `${size} · ${millions.toFixed(1)} MP` : size;
}

export const asType = (contentType) =>
  ({ "image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WebP" })[contentType] ?? contentType;

export const counted = (count, one) => `${number.format(count)} ${one}${count === 1 ? "" : "s"}`;

/** What an image is called: its title, or the name of its file. */
export const nameOf = (image) => image.title || image.filename;
