//! Which template files there are: the built-in ones, and those of a folder, by their names. This module must never
//! guess what a file with an unknown name was meant for.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use crate::locale::Locale;

/// The frame of all HTML parts, which the built-in ones extend.
pub(super) const LAYOUT: &str = "layout.html";
/// The greatest size of a file, in bytes. Mail programs cut messages that are longer.
const MAX_SIZE: u64 = 102_400;

/// What a message is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Confirm,
    Authenticate,
    SignUp,
    Reset,
    Notify,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Subject,
    Text,
    Html,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Confirm, Self::Authenticate, Self::SignUp, Self::Reset, Self::Notify];

    const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Authenticate => "authenticate",
            Self::SignUp => "sign-up",
            Self::Reset => "reset",
            Self::Notify => "notify",
        }
    }
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

/// What a file is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Use {
    pub(super) locale: Locale,
    pub(super) kind: Kind,
    pub(super) part: Part,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.kind.name(), self.locale, self.part.extension())
    }
}

/// A file: its name, by which sentences name it, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

/// All files, one for each use.
pub(super) struct Files {
    pub(super) layout: String,
    pub(super) sources: BTreeMap<Use, Source>,
}

macro_rules! built_in {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),*]
    };
}

/// The files that come with the server.
pub(crate) const BUILT_IN: [(&str, &str); 31] = built_in![
    "layout.html"
    "confirm.en.subject" "confirm.en.txt" "confirm.en.html"
    "authenticate.en.subject" "authenticate.en.txt" "authenticate.en.html"
    "sign-up.en.subject" "sign-up.en.txt" "sign-up.en.html"
    "reset.en.subject" "reset.en.txt" "reset.en.html"
    "notify.en.subject" "notify.en.txt" "notify.en.html"
    "confirm.de.subject" "confirm.de.txt" "confirm.de.html"
    "authenticate.de.subject" "authenticate.de.txt" "authenticate.de.html"
    "sign-up.de.subject" "sign-up.de.txt" "sign-up.de.html"
    "reset.de.subject" "reset.de.txt" "reset.de.html"
    "notify.de.subject" "notify.de.txt" "notify.de.html"
];

impl Files {
    pub(super) fn built_in() -> Result<Self, String> {
        let mut files = Self { layout: String::new(), sources: BTreeMap::new() };
        for (name, text) in BUILT_IN {
            files.put(name, text.to_owned(), None)?;
        }
        Ok(files)
    }

    /// The built-in files, with those of a folder in their place. A name without a locale stands for the default one.
    pub(super) fn of_folder(folder: &Path, default: &Locale) -> Result<Self, String> {
        let mut files = Self::built_in()?;
        let mut own = Self { layout: String::new(), sources: BTreeMap::new() };
        for name in names(folder)? {
            let text = read(&folder.join(&name)).map_err(|error| format!("{name} {error}"))?;
            own.put(&name, text, Some(default))?;
        }
        if !own.layout.is_empty() {
            files.layout = own.layout;
        }
        files.sources.extend(own.sources);
        Ok(files)
    }

    fn put(&mut self, name: &str, text: String, default: Option<&Locale>) -> Result<(), String> {
        if name == LAYOUT {
            self.layout = text;
            return Ok(());
        }
        let purpose = purpose(name, default).ok_or_else(|| {
            format!(
                "{name} is not the name of a template: that is confirm, authenticate, sign-up, reset or notify, then a \
                 locale if it is not \
                 the default one, then subject, txt or html, as in confirm.txt and confirm.de.txt, or layout.html"
            )
        })?;
        let source = Source { name: name.to_owned(), text };
        match self.sources.insert(purpose.clone(), source) {
            Some(other) => {
                Err(format!("{} and {name} are both for {purpose}: remove one of them", other.name))
            }
            None => Ok(()),
        }
    }

    /// All locales that have a file.
    pub(super) fn locales(&self) -> Vec<Locale> {
        let mut locales: Vec<_> = self.sources.keys().map(|purpose| purpose.locale.clone()).collect();
        locales.dedup();
        locales
    }

    /// The file for a use: that of the locale, or of the next shorter one that has it.
    pub(super) fn find(&self, wanted: &Use) -> Result<&Source, String> {
        let parents = wanted.locale.with_parents().filter_map(|tag| tag.parse().ok());
        let mut found = parents.filter_map(|locale| self.sources.get(&Use { locale, ..wanted.clone() }));
        found.next().ok_or_else(|| {
            format!(
                "{wanted} is missing: a locale that is not built in needs all fifteen files, or a shorter tag that has them, as \
                 de-AT has de"
            )
        })
    }
}

fn purpose(name: &str, default: Option<&Locale>) -> Option<Use> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (stem, locale) = match stem.split_once('.') {
        Some((stem, tag)) => (stem, tag.parse().ok()?),
        None => (stem, default?.clone()),
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == stem)?;
    let part = Part::ALL.into_iter().find(|part| part.extension() == extension)?;
    Some(Use { locale, kind, part })
}

/// The names in a folder, in order. Hidden ones are passed over: a volume that Kubernetes makes of a ConfigMap has
/// some.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error: io::Error| format!("the folder {} cannot be read: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    // One byte more than may be, so that a device or a log that was put there by mistake ends, too.
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_SIZE) {
        return Err(format!("is larger than {MAX_SIZE} bytes"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8: look at byte {}", error.utf8_error().valid_up_to()))?;
    // Some editors put a mark at the beginning.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}
