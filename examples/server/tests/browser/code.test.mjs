// The code in a text, without a browser (H19): `node --test`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeIn, digitsIn, grouped } from '../../page/script/code.js';

test('the one run of exactly n digits', () => {
  for (const [text, digits, wanted] of [
    ['25.11.2026 Your code is 498923', 6, '498923'],
    ['498923', 6, '498923'],
    ['Your code is 498923. It is good for 5 minutes.', 6, '498923'],
    ['498923 and once more: 498923', 6, '498923'],
    ['498923 or 111111', 6, null],
    ['4989231', 6, null],
    ['25.11.2026', 6, null],
    ['20261125 code 498923', 6, '498923'],
    ['20261125 code 49892312', 8, null],
    ['', 6, null],
  ]) assert.equal(codeIn(text, digits), wanted, text);
});

test('groups, and separators of one kind', () => {
  for (const [text, wanted] of [
    ['498 923', '498923'], ['498-923', '498923'], ['4 9 8 9 2 3', '498923'], ['498\u00a0923', '498923'], ['498\u2011923', '498923'],
    ['2026-11-25 498 923', '498923'], ['498 923 111', null], ['code:\n\n    498 923\n\nIt is good for 5 minutes', '498923'],
  ]) assert.equal(codeIn(text, 6), wanted, text);
  for (const [text, wanted] of [['2026-11-25', null], ['25 11 2026', null], ['25.11.2026', null], ['4989 2312', '49892312'], ['498 923 12', '49892312']]) {
    assert.equal(codeIn(text, 8), wanted, text);
  }
});

test('digits of other scripts, and invisible characters', () => {
  for (const text of ['٤٩٨٩٢٣', '۴۹۸۹۲۳', '४९८९२३', '৪৯৮৯২৩', '๔๙๘๙๒๓', '４９８９２３', '\u{1D7D2}\u{1D7D7}\u{1D7D6}\u{1D7D7}\u{1D7D0}\u{1D7D1}', '\u200b498\u200d923\u2060']) {
    assert.equal(codeIn(text, 6), '498923', text);
  }
});

test('a part of a code is digits and separators alone', () => {
  assert.equal(digitsIn('49 8'), '498');
  assert.equal(digitsIn('1a2'), null);
});

test('a long code, in groups of four', () => {
  const long = '49381720556601938472';
  for (const text of [long, '4938 1720 5566 0193 8472', '4938-1720-5566-0193-8472', 'Your code, of 25.11.2026:\n\n    4938 1720 5566 0193 8472\n']) {
    assert.equal(codeIn(text, 20), long, text);
  }
  assert.equal(codeIn('4938 1720 5566 0193', 20), null);
  assert.equal(grouped(long, 20), '4938 1720 5566 0193 8472');
  assert.equal(grouped('49381', 20), '4938 1');
  assert.equal(grouped('4938', 20), '4938');
  assert.equal(grouped('498923', 6), '498923');
});
