//! The language of messages: what a request asks for, and the best match among the locales that have templates.
//!
//! `x-request-language`, the header of Auth0's API, comes before `Accept-Language`; both are read alike. This module
//! must never let a text of a client further than a comparison: what travels on is the name of a known locale.

use std::{cmp::Reverse, fmt, str::FromStr};

use axum::http::{HeaderMap, HeaderName, header};
use icu_locale_core::LanguageIdentifier;

/// Auth0's header for the language of a message.
const REQUEST_LANGUAGE: HeaderName = HeaderName::from_static("x-request-language");
/// A longer header is not read.
const MAX_HEADER: usize = 1_024;
/// How many languages of one header are looked at.
const MAX_RANGES: usize = 32;

/// A locale that has templates: a well-formed BCP 47 tag of language, script, region and variants, in its canonical
/// case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Locale(String);

impl Locale {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with fewer and fewer subtags: `de-Latn-AT`, `de-Latn`, `de`.
    pub(crate) fn with_parents(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |tag| shorter(tag))
    }

    /// For CLDR's rules and formats.
    pub(crate) fn cldr(&self) -> icu_locale_core::Locale {
        self.0.parse().unwrap_or(icu_locale_core::Locale::UNKNOWN)
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Locale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unusable = || format!("{text:?} is not a language tag such as de, de-AT or zh-Hant (BCP 47)");
        let tag: LanguageIdentifier = text.parse().ok().filter(|_| is_range(text)).ok_or_else(unusable)?;
        if tag.language.is_unknown() {
            return Err(unusable());
        }
        Ok(Self(tag.to_string()))
    }
}

/// The best match for a request's headers.
pub(crate) fn of_headers<'a>(headers: &HeaderMap, available: &'a [Locale]) -> Option<&'a Locale> {
    [REQUEST_LANGUAGE, header::ACCEPT_LANGUAGE].iter().find_map(|name| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let header = values.collect::<Vec<_>>().join(",");
        best(&ranges(&header), available)
    })
}

/// The languages of a header, the most wanted first (RFC 9110 section 12.5.4). One that cannot be read is left out,
/// and so is one that is not wanted at all.
fn ranges(header: &str) -> Vec<&str> {
    if header.len() > MAX_HEADER {
        return Vec::new();
    }
    let weighed = |item| {
        let (range, weight) = match str::split_once(item, ';') {
            Some((range, weight)) => (range, thousandths(weight)?),
            None => (item, 1_000),
        };
        let range = range.trim();
        (is_range(range) && weight > 0).then_some((range, weight))
    };
    let mut ranges: Vec<_> = header.split(',').take(MAX_RANGES).filter_map(weighed).collect();
    // Among those that are wanted alike, the first comes first.
    ranges.sort_by_key(|(_, weight)| Reverse(*weight));
    ranges.into_iter().map(|(range, _)| range).collect()
}

/// A weight such as `q=0.8` in thousandths (RFC 9110 section 12.4.2).
fn thousandths(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

/// A basic language range (RFC 4647 section 2.1). `*` is none here: it asks for nothing in particular.
fn is_range(text: &str) -> bool {
    let mut subtags = text.split('-');
    let sized = |subtag: &str| (1..=8).contains(&subtag.len());
    let letters = |subtag: &str| sized(subtag) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let others = |subtag: &str| sized(subtag) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 64 && subtags.next().is_some_and(letters) && subtags.all(others)
}

/// The lookup of RFC 4647 section 3.4: each range in turn loses subtags from its end until it names a locale.
fn best<'a>(ranges: &[&str], available: &'a [Locale]) -> Option<&'a Locale> {
    ranges.iter().find_map(|range| lookup(range, available))
}

/// The same for one range.
pub(crate) fn lookup<'a>(range: &str, available: &'a [Locale]) -> Option<&'a Locale> {
    std::iter::successors(Some(range), |range| shorter(range))
        .find_map(|range| available.iter().find(|locale| locale.0.eq_ignore_ascii_case(range)))
}

/// A tag without its last subtag, and without a single letter before it, which only introduces what is gone.
fn shorter(tag: &str) -> Option<&str> {
    let (rest, _) = tag.rsplit_once('-')?;
    match rest.rsplit_once('-') {
        Some((before, single)) if single.len() == 1 => Some(before),
        _ => Some(rest),
    }
}

tokio::task_local! {
    static OF_REQUEST: Option<Locale>;
}

/// Does the work of a request whose messages are to be in this locale.
pub(crate) async fn scope<T>(locale: Option<Locale>, work: impl Future<Output = T>) -> T {
    OF_REQUEST.scope(locale, work).await
}

/// The locale of the request that is worked on. Nothing outside a request, and where none was asked for that there is.
pub(crate) fn of_request() -> Option<Locale> {
    OF_REQUEST.try_with(Clone::clone).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locales(tags: &[&str]) -> Vec<Locale> {
        tags.iter().filter_map(|tag| tag.parse().ok()).collect()
    }

    fn found(header: &str) -> String {
        let available = locales(&["en", "de", "de-CH", "zh-Hant", "fr-CA"]);
        best(&ranges(header), &available).map_or_else(|| "-".to_owned(), Locale::to_string)
    }

    /// H12: `x-request-language: de-AT` finds `de` (RFC 4647 section 3.4).
    #[test]
    fn a_range_loses_subtags_until_it_names_a_locale() {
        for (header, locale) in [
            ("de", "de"),
            ("de-AT", "de"),
            ("DE-ch", "de-CH"),
            ("de-CH-1996", "de-CH"),
            ("de-CH-x-private-use", "de-CH"),
            ("zh-Hant-CN-x-private1-private2", "zh-Hant"),
            ("zh", "-"),
            ("fr", "-"),
            ("fr-CA", "fr-CA"),
            ("fr, de;q=0.5", "de"),
            ("fr;q=1, en;q=0.2, de;q=0.3", "de"),
            ("en;q=0.8, de;q=0.8", "en"),
            ("de;q=0, en;q=0.001", "en"),
            ("de ; q=1.000 , en", "de"),
            ("*", "-"),
            ("*, de;q=0.1", "de"),
            ("", "-"),
        ] {
            assert_eq!(found(header), locale, "{header}");
        }
    }

    #[test]
    fn what_is_not_well_formed_or_too_long_is_left_out() {
        for header in [
            "de_AT",
            "de-",
            "-de",
            "de--AT",
            "d3",
            "abcdefghi",
            "de-abcdefghi",
            "de;q=2",
            "de;q=1.001",
            "de;q=0.0001",
            "de;q=-1",
            "de;q",
            "de;p=1",
            "de\u{e4}",
            "../de",
        ] {
            assert_eq!(found(header), "-", "{header}");
            assert_eq!(found(&format!("{header}, en;q=0.1")), "en", "{header}");
        }
        let long = |count| format!("{}de", "fr,".repeat(count));
        assert_eq!(
            (found(&long(31)), found(&long(32)), found(&long(400))),
            ("de".into(), "-".into(), "-".into())
        );
    }

    #[test]
    fn a_locale_is_kept_in_its_canonical_case() {
        for (text, locale) in
            [("de", Some("de")), ("DE-at", Some("de-AT")), ("zh-hant-tw", Some("zh-Hant-TW"))]
        {
            assert_eq!(text.parse::<Locale>().ok().map(|tag| tag.to_string()).as_deref(), locale, "{text}");
        }
        for bad in ["", "und", "d", "de_AT", "de-", "html", "deutsch land", "de-u-hc-h23", "de.txt"] {
            assert!(bad.parse::<Locale>().is_err(), "{bad}");
        }
        let parents = locales(&["zh-Hant-TW"]);
        assert_eq!(
            parents.iter().flat_map(Locale::with_parents).collect::<Vec<_>>(),
            ["zh-Hant-TW", "zh-Hant", "zh"]
        );
    }
}
