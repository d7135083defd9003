//! What a command says: a text for people, JSON for scripts, and an exit code.
//!
//! The shapes of the JSON and the codes are promises to scripts: `docs/administration.md` has them. A member may be
//! added; none goes, and none changes its meaning.

use serde_json::Value;

use crate::keys::KeysError;

/// What a command that did its work has to say.
pub(crate) struct Answer {
    text: String,
    json: Value,
}

impl Answer {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }

    /// What is printed.
    pub(crate) fn render(self, as_json: bool) -> String {
        if as_json { printable(&self.json.to_string()) } else { self.text }
    }
}

/// The same JSON, whose reader's terminal shows every character where it stands: what does not print, or turns the line
/// around, is escaped. Such a character stands in a string.
fn printable(json: &str) -> String {
    let mut printed = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() || c.escape_debug().len() == 1 {
            printed.push(c);
        } else {
            let mut units = [0; 2];
            printed.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    printed
}

/// Why a command did not do its work, in one sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) sentence: String,
}

impl Failure {
    /// Something else stands in the way: the database, a file, an input.
    const FAILED: u8 = 1;
    /// There is no such user, client, authenticator or key.
    const NOT_FOUND: u8 = 3;
    /// There is one already.
    const TAKEN: u8 = 4;
    /// Something would be lost, and nobody said yes.
    const UNCONFIRMED: u8 = 5;

    pub(crate) fn not_found(sentence: impl Into<String>) -> Self {
        Self { code: Self::NOT_FOUND, sentence: sentence.into() }
    }

    pub(crate) fn taken(sentence: impl Into<String>) -> Self {
        Self { code: Self::TAKEN, sentence: sentence.into() }
    }

    pub(crate) fn unconfirmed(sentence: impl Into<String>) -> Self {
        Self { code: Self::UNCONFIRMED, sentence: sentence.into() }
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self { code: Self::FAILED, sentence }
    }
}

/// Every error of the parts below is one sentence already.
macro_rules! fails_with {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                error.to_string().into()
            }
        })+
    };
}

fails_with!(
    crate::store::StoreError,
    crate::first_factor::FirstFactorError,
    crate::app::ServerError,
    crate::key_use::KeyUseError,
    getrandom::Error
);

impl From<KeysError> for Failure {
    fn from(error: KeysError) -> Self {
        let sentence = error.to_string();
        if matches!(error, KeysError::Unknown(..)) {
            return Self::not_found(sentence);
        }
        let taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AlreadyExists;
        if matches!(&error, KeysError::Write(_, error) if taken(error)) {
            return Self::taken(sentence);
        }
        sentence.into()
    }
}
