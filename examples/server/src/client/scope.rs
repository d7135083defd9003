//! One word of a scope (RFC 6749 section 3.3).

use std::str::FromStr;

use countersign::session::Scope;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ScopeWord(String);

/// What the server itself gives a meaning to: those of OpenID Connect, and those of the MFA API.
const OWN: [&str; 6] =
    ["openid", "profile", "email", "enroll", "read:authenticators", "remove:authenticators"];

impl ScopeWord {
    /// What a client may ask for unless it is registered for something else.
    pub(crate) fn own() -> Vec<Self> {
        OWN.map(|word| Self(word.to_owned())).to_vec()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ScopeWord {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for ScopeWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let taken = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.is_empty() || text.len() > Scope::MAX_BYTES || !text.bytes().all(taken) {
            return Err(format!(
                "{text:?} is not a word of a scope: it has 1 to {} printable ASCII characters other than space, \" and \\",
                Scope::MAX_BYTES
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_characters_of_the_standard() {
        for good in ["openid", "read:authenticators", "https://api.example/read", "!#[]~"] {
            assert!(good.parse::<ScopeWord>().is_ok(), "{good}");
        }
        for bad in ["", "two words", "a\"b", "a\\b", "ä", "a\u{0}", "a\tb"] {
            assert!(bad.parse::<ScopeWord>().is_err(), "{bad:?}");
        }
    }
}
