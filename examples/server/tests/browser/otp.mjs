// A person's app, for a key that the page shows: RFC 6238 with SHA-1, six digits and 30 seconds.

import { createHmac } from 'node:crypto';

/** Milliseconds of a step. */
export const STEP = 30_000;

/** The code that the app shows so many steps from now, or from another instant. */
export function codeOf(key, steps = 0, now = Date.now()) {
  const bits = [...key].map((symbol) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / STEP) + steps));
  const mac = createHmac('sha1', secret).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** A code that the app shows at no time near now, or near another instant. */
export function wrongOtp(key, now = Date.now()) {
  const near = [-2, -1, 0, 1, 2].map((steps) => codeOf(key, steps, now));
  return ['000000', '000001', '000002', '000003', '000004', '000005'].find((code) => !near.includes(code));
}
