//! The owned text of names, addresses and contexts. It must never interpret what it holds.

use core::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

/// The bytes of a text that is kept without an allocation: a UUID or the subject of an identity provider, with room.
const SHORT: usize = 38;

/// A text that is set once. A step clones the names of its session more often than it makes one: a short text is
/// copied, and clones of a long one share it.
#[derive(Clone)]
pub(crate) struct Text(Form);

#[derive(Clone)]
enum Form {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Shared),
}

#[cfg(target_has_atomic = "ptr")]
type Shared = alloc::sync::Arc<str>;

/// A target without atomic compare-and-swap, such as `thumbv6m-none-eabi`, has no `Arc`, so each clone is a copy. Every
/// text is bounded: the longest is a scope.
#[cfg(not(target_has_atomic = "ptr"))]
type Shared = alloc::boxed::Box<str>;

impl Text {
    /// The bytes, for a message that is hashed or a comparison: they need no check that they are a text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(&[]),
            Form::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let Some(length) = u8::try_from(text.len()).ok().filter(|_| text.len() <= SHORT) else {
            return Self(Form::Long(text.into()));
        };
        // The bytes are written where they stay: to move what was just written costs more than to write it.
        let mut short = Self(Form::Short { length, bytes: [0; SHORT] });
        if let Form::Short { bytes, .. } = &mut short.0
            && let Some(slots) = bytes.get_mut(..text.len())
        {
            slots.copy_from_slice(text.as_bytes());
        }
        short
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Form::Short { .. } => core::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Form::Long(text) => text,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};
    use core::hash::BuildHasher as _;

    #[test]
    fn a_text_is_the_same_however_it_is_kept() {
        let state = std::hash::RandomState::new();
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 255, 300] {
            let given = "ü".repeat(length / 2) + &"x".repeat(length % 2);
            let text = Text::from(given.as_str());
            assert_eq!((&*text, text.as_bytes()), (given.as_str(), given.as_bytes()));
            let longer = Text::from(format!("{given}a").as_str());
            assert!(text == text.clone() && text != longer && text < longer, "{length}");
            assert_eq!(state.hash_one(&text), state.hash_one(text.clone()));
            assert_ne!(state.hash_one(&text), state.hash_one(&longer));
        }
        let words: [&str; 3] = ["b", "a", &String::from("a").repeat(SHORT + 1)];
        let mut texts = words.map(Text::from);
        texts.sort();
        assert_eq!(texts.each_ref().map(|text| text.len()), [1, SHORT + 1, 1]);
    }

    #[test]
    fn a_short_text_takes_no_memory_of_its_own() {
        assert!(matches!(Text::from("x".repeat(SHORT).as_str()).0, Form::Short { .. }));
        assert!(matches!(Text::from("x".repeat(SHORT + 1).as_str()).0, Form::Long(_)));
        assert_eq!(size_of::<Text>(), 40);
    }
}
