//! An audience: the absolute URI of an API (RFC 8707 section 2). It is compared byte for byte and never normalised.

use std::str::FromStr;

use countersign::session::Audience;
use url::Url;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct AudienceUri(String);

impl AudienceUri {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for AudienceUri {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for AudienceUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is not an audience: {why}"));
        if Audience::new(text).is_err() {
            return refuse("it has 1 to 255 bytes");
        }
        // The parser takes more than RFC 3986 does, such as a space or a letter beyond ASCII.
        if !text.chars().all(|letter| letter.is_ascii_graphic() && !"\"<>\\^`{|}".contains(letter)) {
            return refuse("a URI has none of these characters; percent-encode them");
        }
        if text.contains('#') {
            return refuse("it has no fragment (RFC 8707)");
        }
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                refuse("it has no user name and no password")
            }
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => refuse("give an absolute URI, such as https://api.example.com/ or urn:example:api"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_uris_are_audiences_and_nothing_else() {
        for good in [
            "https://api.example.com",
            "https://api.example.com/v1/",
            "http://localhost:9000/",
            "urn:example:api",
        ] {
            assert_eq!(good.parse::<AudienceUri>().as_ref().map(AudienceUri::as_str), Ok(good));
        }
        let long = format!("https://api.example/{}", "a".repeat(255));
        for bad in [
            "",
            "demo",
            "api.example.com",
            "/v1",
            "//api.example.com/",
            "https://",
            "https://api.example.com/#part",
            "https://api example.com/",
            "https://api.example.com/ä",
            "https://user:secret@api.example.com/",
            "https://api.example.com/\n",
            " https://api.example.com/",
            long.as_str(),
        ] {
            assert!(bad.parse::<AudienceUri>().is_err(), "{bad:?}");
        }
    }
}
