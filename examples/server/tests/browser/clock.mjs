// The time of a pass whose server runs under libfaketime: the server's clock, the page's and this test's go together, and are
// set ahead instead of waiting.

import { renameSync, writeFileSync } from 'node:fs';

export class Clock {
  #file;
  #page;
  #ahead = 0;

  /** Of a server with its offset in this file, and of a page that is not yet open. */
  static async of(page, file) {
    if (!file) throw new Error('FAKETIME_TIMESTAMP_FILE names the clock of the server: run.sh sets it');
    await page.clock.install();
    return new Clock(page, file);
  }

  constructor(page, file) {
    this.#page = page;
    this.#file = file;
  }

  now() { return Date.now() + this.#ahead; }

  /** Sets all clocks ahead by so many whole seconds. */
  async pass(seconds) {
    this.#ahead += seconds * 1000;
    // In one step: the server must not read half of it.
    writeFileSync(`${this.#file}.next`, `+${this.#ahead / 1000}\n`);
    renameSync(`${this.#file}.next`, this.#file);
    await this.#page.clock.fastForward(seconds * 1000);
  }

  /** Sets them to a second after the next multiple of so many milliseconds. */
  async next(step) { await this.pass(Math.ceil((step - (this.now() % step)) / 1000) + 1); }
}
