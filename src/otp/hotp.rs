//! HOTP (RFC 4226): a code for each value of a counter. TOTP is the same with time as the counter.
//!
//! A presented code is compared with that of every counter of a window, and the window is always gone through
//! to its end, by the same instructions whichever counter matches, or none. Of several codes at once the last
//! one's counter is in the window, and each of the others is that of the counter before. This module must never read
//! memory at a place that depends on a secret, or say more than which counter matched.

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::{
    crypto::{
        block_mac::{CounterMac, CounterTag, Sha1Mac, Sha256Mac, Sha512Mac},
        declassify::{declassify, declassify_place},
    },
    value::one_time_password::{OtpAlgorithm, SharedSecret},
};

/// The counters whose codes are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Window {
    pub(crate) first: u64,
    /// The last one, which is one of them.
    pub(crate) last: u64,
    /// The last counter that was accepted: only those above it are taken.
    pub(crate) accepted: Option<u64>,
}

impl Window {
    /// The counter that is expected next, and `look_ahead` more behind it (RFC 4226 section 7.4). Behind the
    /// last counter of all there is none.
    pub(crate) const fn ahead_of(accepted: Option<u64>, look_ahead: u8) -> Self {
        let first = match accepted {
            Some(accepted) => accepted.saturating_add(1),
            None => 0,
        };
        #[allow(clippy::as_conversions, reason = "it only widens, and `from` is not const")]
        let last = first.saturating_add(look_ahead as u64);
        Self { first, last, accepted }
    }

    /// Where the last of `codes` in a row may stand that begin at the expected counter or behind it, none
    /// further ahead than `look_ahead` (RFC 4226 section 7.4).
    pub(crate) const fn of_rows(accepted: Option<u64>, codes: u8, look_ahead: u8) -> Self {
        let Self { first, last, accepted } = Self::ahead_of(accepted, look_ahead);
        #[allow(clippy::as_conversions, reason = "it only widens, and `from` is not const")]
        let first = first.saturating_add(codes.saturating_sub(1) as u64);
        Self { first, last, accepted }
    }

    /// Whether a counter is still to come.
    fn takes(&self, counter: u64) -> Choice {
        Choice::from(u8::from(self.accepted.is_none_or(|accepted| counter > accepted)))
    }
}

/// The counter of the window whose code is the last of `numbers`, of that many digits, if those before it are
/// the codes of the counters before. Each of them is to come, or none is taken.
///
/// Of several the highest is found: with it the lower ones are over, so that the same digits are not taken
/// twice.
pub(crate) fn find<const N: usize>(
    (algorithm, digits): (OtpAlgorithm, u8),
    secret: &SharedSecret,
    numbers: &[u32; N],
    window: &Window,
) -> Option<u64> {
    match algorithm {
        OtpAlgorithm::Sha1 => scan::<Sha1Mac, N>(secret, digits, numbers, window),
        OtpAlgorithm::Sha256 => scan::<Sha256Mac, N>(secret, digits, numbers, window),
        OtpAlgorithm::Sha512 => scan::<Sha512Mac, N>(secret, digits, numbers, window),
    }
}

fn scan<M: CounterMac, const N: usize>(
    secret: &SharedSecret,
    digits: u8,
    numbers: &[u32; N],
    window: &Window,
) -> Option<u64> {
    let keyed = M::new(secret.as_bytes());
    let before = u64::try_from(N).unwrap_or(u64::MAX).saturating_sub(1);
    let first = window.first.saturating_sub(before);
    let (mut found, mut found_at) = (Choice::from(0), 0_u32);
    // Whether so many of the numbers are the codes of as many counters in a row, up to the present one.
    let mut rows = [Choice::from(0); N];
    for (place, counter) in (0_u32..).zip(first..=window.last) {
        let code = code(&keyed, digits, counter);
        let mut here = window.takes(counter);
        for (row, number) in rows.iter_mut().zip(numbers) {
            let longer = here & code.ct_eq(number);
            here = *row;
            *row = longer;
        }
        let here = rows.last().copied().unwrap_or(Choice::from(0));
        found_at.conditional_assign(&place, here);
        found |= here;
    }
    if declassify(found) { first.checked_add(declassify_place(found_at).into()) } else { None }
}

/// The code of one counter, as a number: HOTP(K, C) of RFC 4226 section 5.3.
fn code(keyed: &impl CounterMac, digits: u8, counter: u64) -> u32 {
    let number = truncated(&keyed.tag(counter));
    // One arm a modulus: division by a constant compiles to a multiplication, whose time tells nothing.
    match digits {
        8 => number % 100_000_000,
        7 => number % 10_000_000,
        _ => number % 1_000_000,
    }
}

/// Dynamic truncation (RFC 4226 section 5.3): four bytes, at the place that the low bits of the last byte
/// name, without their highest bit. The place is secret, so nothing is looked up by it: what stands before it
/// is shifted out, by 8, 4, 2 and 1 bytes, or is not.
fn truncated(tag: &CounterTag) -> u32 {
    let [a, b, c, d, e] = tag.first;
    let shifts = |bytes: u32| (tag.last & bytes).ct_ne(&0);
    let by = shifts(8);
    let (a, b) = (u32::conditional_select(&a, &c, by), u32::conditional_select(&b, &d, by));
    let c = u32::conditional_select(&c, &e, by);
    let by = shifts(4);
    let (a, b) = (u32::conditional_select(&a, &b, by), u32::conditional_select(&b, &c, by));
    let bytes = (u64::from(a) << 32) | u64::from(b);
    let bytes = u64::conditional_select(&bytes, &(bytes << 16), shifts(2));
    let bytes = u64::conditional_select(&bytes, &(bytes << 8), shifts(1));
    let [a, b, c, d, ..] = bytes.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{crypto::wipe::tests::wiped_by, value::one_time_password::OtpCode};
    use alloc::vec::Vec;

    const SHA1: (OtpAlgorithm, u8) = (OtpAlgorithm::Sha1, 6);

    pub(crate) fn number(text: &str) -> [u32; 1] {
        let code = OtpCode::parse(text).unwrap();
        code.numbers(code.length()).unwrap()
    }

    /// What is looked at of a MAC.
    fn tag_of(mac: &[u8]) -> CounterTag {
        let (words, _) = mac.as_chunks();
        let first = words.first_chunk::<5>().unwrap().map(u32::from_be_bytes);
        CounterTag { first, last: u32::from(mac.last().unwrap() & 0xf) }
    }

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// A window of one counter.
    pub(crate) fn only(counter: u64) -> Window {
        Window { first: counter, last: counter, accepted: None }
    }

    /// RFC 4226 appendix D: the secret, and for each count the HMAC, what it is truncated to, and the code.
    const SECRET: &[u8] = b"12345678901234567890";
    const APPENDIX_D: [(&str, u32, &str); 10] = [
        ("cc93cf18508d94934c64b65d8ba7667fb7cde4b0", 1_284_755_224, "755224"),
        ("75a48a19d4cbe100644e8ac1397eea747a2d33ab", 1_094_287_082, "287082"),
        ("0bacb7fa082fef30782211938bc1c5e70416ff44", 137_359_152, "359152"),
        ("66c28227d03a2d5529262ff016a1e6ef76557ece", 1_726_969_429, "969429"),
        ("a904c900a64b35909874b33e61c5938a8e15ed1c", 1_640_338_314, "338314"),
        ("a37e783d7b7233c083d4f62926c7a25f238d0316", 868_254_676, "254676"),
        ("bc9cd28561042c83f219324d3c607256c03272ae", 1_918_287_922, "287922"),
        ("a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", 82_162_583, "162583"),
        ("1b3c89f65e6c9e883012052823443f048b4332db", 673_399_871, "399871"),
        ("1637409809a679dc698207310c8c7fc07290d9e5", 645_520_489, "520489"),
    ];

    #[test]
    fn rfc_4226_appendix_d() {
        let secret = SharedSecret::of(SECRET);
        for (count, (mac, number_of_mac, text)) in (0..).zip(APPENDIX_D) {
            let keyed = Sha1Mac::new(SECRET);
            assert_eq!(keyed.tag(count).first, tag_of(&hex(mac)).first, "count {count}");
            assert_eq!(truncated(&keyed.tag(count)), number_of_mac, "count {count}");
            assert_eq!(find(SHA1, &secret, &number(text), &only(count)), Some(count));
            for other in (0..10).filter(|other| *other != count) {
                assert_eq!(find(SHA1, &secret, &number(text), &only(other)), None, "{count} at {other}");
            }
        }
    }

    /// RFC 4226 section 5.4.
    #[test]
    fn the_worked_example_of_rfc_4226_truncates_to_its_number() {
        let mac = hex("1f8698690e02ca16618550ef7f19da8e945b555a");
        let number = truncated(&tag_of(&mac));
        assert_eq!((number, number % 1_000_000), (0x50ef_7f19, 872_921));
    }

    #[test]
    fn truncation_reads_at_every_place_and_drops_the_highest_bit() {
        for length in [20_u8, 32, 64] {
            for offset in 0..16_u8 {
                let mut mac: Vec<u8> = (0..length).map(|byte| byte | 0x80).collect();
                *mac.last_mut().unwrap() = 0xf0 | offset;
                let at = |place: u8| mac[usize::from(offset + place)];
                let expected = u32::from_be_bytes([at(0) & 0x7f, at(1), at(2), at(3)]);
                assert_eq!(truncated(&tag_of(&mac)), expected, "{length} bytes at {offset}");
            }
        }
    }

    #[test]
    fn each_number_of_digits_has_its_modulus() {
        // Count 0 of appendix D, whole: 1284755224.
        let secret = SharedSecret::of(SECRET);
        for (digits, expected) in [(6, 755_224), (7, 4_755_224), (8, 84_755_224)] {
            let terms = (OtpAlgorithm::Sha1, digits);
            assert_eq!(find(terms, &secret, &[expected], &only(0)), Some(0), "{digits}");
            assert_eq!(find(terms, &secret, &[expected + 1], &only(0)), None, "{digits}");
        }
    }

    #[test]
    fn a_window_takes_its_counters_above_the_accepted_one() {
        let secret = SharedSecret::of(SECRET);
        let codes: Vec<_> = APPENDIX_D.iter().map(|(.., text)| number(text)).collect();
        for accepted in [None, Some(0), Some(3), Some(5), Some(9)] {
            let window = Window { first: 2, last: 6, accepted };
            for (count, code) in (0..).zip(&codes) {
                let taken = (2..=6).contains(&count) && accepted.is_none_or(|accepted| count > accepted);
                assert_eq!(
                    find(SHA1, &secret, code, &window),
                    taken.then_some(count),
                    "{count} {accepted:?}"
                );
            }
        }
        let empty = Window { first: 3, last: 2, accepted: None };
        assert_eq!(find(SHA1, &secret, &codes[3], &empty), None);
    }

    #[test]
    fn a_look_ahead_begins_behind_the_accepted_counter() {
        let window = |accepted, look_ahead| {
            let Window { first, last, accepted: kept } = Window::ahead_of(accepted, look_ahead);
            assert_eq!(kept, accepted);
            (first, last)
        };
        assert_eq!(window(None, 0), (0, 0));
        assert_eq!(window(None, 5), (0, 5));
        assert_eq!(window(Some(0), 5), (1, 6));
        assert_eq!(window(Some(u64::MAX - 3), 50), (u64::MAX - 2, u64::MAX));
        assert_eq!(window(Some(u64::MAX - 1), 50), (u64::MAX, u64::MAX));
    }

    /// The last counter of all can be accepted, and behind it there is none.
    #[test]
    fn counters_end() {
        let secret = SharedSecret::of(SECRET);
        let last = code(&Sha1Mac::new(SECRET), 6, u64::MAX);
        assert_eq!(find(SHA1, &secret, &[last], &Window::ahead_of(Some(u64::MAX - 1), 5)), Some(u64::MAX));
        assert_eq!(find(SHA1, &secret, &[last], &Window::ahead_of(Some(u64::MAX), 5)), None);
    }

    #[test]
    fn four_codes_are_those_of_four_counters_in_a_row_that_are_to_come() {
        let secret = SharedSecret::of(SECRET);
        let codes: Vec<u32> = APPENDIX_D.iter().map(|(.., text)| number(text)[0]).collect();
        let four = |first: usize| [codes[first], codes[first + 1], codes[first + 2], codes[first + 3]];
        // The last of them is in the window, and the first above the accepted one.
        for accepted in [None, Some(0), Some(2), Some(5)] {
            let window = Window { first: 4, last: 7, accepted };
            for first in 0..=6 {
                let last = first + 3;
                let to_come = accepted.is_none_or(|accepted| first as u64 > accepted);
                let expected = ((4..=7).contains(&last) && to_come).then_some(last as u64);
                assert_eq!(find(SHA1, &secret, &four(first), &window), expected, "{first} {accepted:?}");
            }
        }
        // Each of them counts, and so does their order.
        let window = Window { first: 0, last: 9, accepted: None };
        for place in 0..4 {
            let mut wrong = four(2);
            wrong[place] = (wrong[place] + 1) % 1_000_000;
            assert_eq!(find(SHA1, &secret, &wrong, &window), None, "{place}");
            let mut swapped = four(2);
            swapped.swap(place, (place + 1) % 4);
            assert_eq!(find(SHA1, &secret, &swapped, &window), None, "{place}");
        }
        let gap = [codes[2], codes[3], codes[4], codes[6]];
        assert_eq!(find(SHA1, &secret, &gap, &window), None);
        // At the beginning there are no counters before.
        for first in 0..=3 {
            let window = Window { first, last: first, accepted: None };
            assert_eq!(find(SHA1, &secret, &four(0), &window), (first == 3).then_some(3), "{first}");
        }
    }

    #[test]
    fn rows_stay_within_the_look_ahead() {
        let of = |accepted| {
            let Window { first, last, accepted: kept } = Window::of_rows(accepted, 4, 50);
            assert_eq!(kept, accepted);
            (first, last)
        };
        assert_eq!((of(None), of(Some(9))), ((3, 50), (13, 60)));
        assert_eq!(of(Some(u64::MAX - 2)), (u64::MAX, u64::MAX));
    }

    /// Two counters of one window have the same code: with the lower one accepted, the same digits would be
    /// taken again.
    #[test]
    fn of_two_counters_with_one_code_the_higher_is_found() {
        let secret = SharedSecret::of(SECRET);
        let keyed = Sha1Mac::new(SECRET);
        let codes: Vec<u32> = (0..40_000).map(|counter| code(&keyed, 6, counter)).collect();
        let mut sorted: Vec<(u32, u64)> = codes.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let nearest = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let pair = nearest.min_by_key(|pair| pair[1].1 - pair[0].1).unwrap();
        let (twice, lower, higher) = (pair[0].0, pair[0].1, pair[1].1);
        let window = Window { first: lower, last: higher, accepted: None };
        assert_eq!(find(SHA1, &secret, &[twice], &window), Some(higher));
        assert_eq!(find(SHA1, &secret, &[twice], &Window { accepted: Some(higher), ..window }), None);
        assert_eq!(find(SHA1, &secret, &[twice], &Window { last: higher - 1, ..window }), Some(lower));
    }

    #[test]
    fn what_was_computed_is_wiped() {
        let secret = SharedSecret::of(SECRET);
        for (algorithm, block, hash) in
            [(OtpAlgorithm::Sha1, 64, 20), (OtpAlgorithm::Sha256, 64, 32), (OtpAlgorithm::Sha512, 128, 64)]
        {
            let window = Window { first: 0, last: 2, accepted: None };
            let (_, wiped) = wiped_by(|| find((algorithm, 6), &secret, &[0], &window));
            // Two states, and for each of three codes two hashes and what is looked at; each of a block.
            let (states, of_each) = (2 * (block + hash), 2 * (block + hash) + 24);
            assert_eq!(wiped, states + 3 * of_each, "{algorithm:?}");
        }
    }
}
