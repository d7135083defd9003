/* Numbers and instants in words, as a person says them. */

const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const SECONDS = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** `14:32:07`. */
export const timeOf = (iso) => SECONDS.format(new Date(iso));

/** `25 Nov 2026`. */
export const dateOf = (instant) => DATE.format(new Date(instant));

/** `25 Nov 2026, 14:32`. */
export const momentOf = (iso) => `${dateOf(iso)}, ${TIME.format(new Date(iso))}`;

/** `4:05` until an instant, `1:04:05` if it is far, and `0:00` after it. */
export function clock(until, now = Date.now()) {
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(seconds % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** `about 6 minutes`. */
export function waitOf(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds <= 90) return plural(Math.max(1, seconds), 'second');
  const minutes = Math.ceil(seconds / 60);
  if (minutes <= 90) return `about ${plural(minutes, 'minute')}`;
  const hours = Math.ceil(minutes / 60);
  return hours <= 36 ? `about ${plural(hours, 'hour')}` : `about ${plural(Math.ceil(hours / 24), 'day')}`;
}

/** `at 14:32, in about 6 minutes`, rounded up so that nobody comes back too early. */
export function whenOf(until, now = Date.now()) {
  const minute = new Date(Math.ceil(until / 60_000) * 60_000);
  const today = minute.toDateString() === new Date(now).toDateString();
  return `${today ? '' : `on ${DAY.format(minute)} `}at ${TIME.format(minute)}, in ${waitOf(until - now)}`;
}
