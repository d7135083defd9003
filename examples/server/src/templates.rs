//! What messages say: templates in the syntax of Jinja, built in for English and German, which a host can replace and
//! add to.
//!
//! Everything is tried when the server starts, so that no message is lost to a typing error later. A code stands in
//! the body and never in the subject, which shows on locked screens and in logs (NIST SP 800-63B-4 section 3.1.3.1).
//! This module must never fill a value into HTML unescaped.

mod check;
mod files;
mod format;
mod values;

use std::{collections::BTreeMap, path::Path};

use countersign::Effect;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};
use time::OffsetDateTime;

pub(crate) use self::files::BUILT_IN;
use self::{
    files::{Files, Kind, LAYOUT, Part, Use},
    values::Content,
};
use crate::locale::{self, Locale};

/// A message in words.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) locale: Locale,
}

/// The templates, and what stands in every message.
pub(crate) struct Templates {
    service: String,
    issuer: String,
    default: Locale,
    own: Shelf,
    /// For a message that a host's own templates fail to write.
    built_in: Shelf,
}

impl Templates {
    /// The built-in templates, with those of a folder in their place. The default locale is that of messages for
    /// which no other one is known.
    pub(crate) fn load(folder: Option<&Path>, default: &Locale) -> Result<Self, String> {
        let named = |error| format!("--templates: {error}");
        let built_in = Shelf::of(&Files::built_in()?)?;
        let own = match folder {
            Some(folder) => {
                let shelf =
                    Files::of_folder(folder, default).and_then(|files| Shelf::of(&files)).map_err(named)?;
                check::check(&shelf).map_err(named)?;
                shelf
            }
            None => Shelf::of(&Files::built_in()?)?,
        };
        if !own.locales.contains(default) {
            let known = own.locales.iter().map(Locale::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("--locale: there are no templates for {default}, only for {known}"));
        }
        let (service, issuer) = (String::new(), String::new());
        Ok(Self { service, issuer, default: default.clone(), own, built_in })
    }

    /// With the names that stand in every message.
    pub(crate) fn named(mut self, service: &str, issuer: &str) -> Self {
        service.clone_into(&mut self.service);
        issuer.clone_into(&mut self.issuer);
        self
    }

    /// The name of the service, as its users know it.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// The locales that have templates.
    pub(crate) fn locales(&self) -> &[Locale] {
        &self.own.locales
    }

    /// The words of a message; nothing if it is no matter of the account's holder. The locale is one that a server with
    /// other templates may have stored.
    pub(crate) fn write(&self, effect: &Effect, locale: Option<&str>, now: OffsetDateTime) -> Option<Text> {
        let found = locale.and_then(|tag| locale::lookup(tag, &self.own.locales));
        let locale = found.unwrap_or(&self.default);
        let content =
            Content::of(effect, &self.issuer, locale, now)?.with(&self.service, &self.issuer, locale);
        let failed = match self.own.write(&content, locale) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        tracing::error!(error = %failed, "a template failed: the built-in one is used");
        let built_in = locale::lookup(locale.as_str(), &self.built_in.locales);
        self.built_in.write(&content, built_in.or(self.built_in.locales.last())?).ok()
    }

    /// A message of each kind in each locale, with a name for each.
    pub(crate) fn samples(&self) -> Result<Vec<(String, Text)>, String> {
        let mut written = Vec::new();
        for locale in &self.own.locales {
            for (name, content) in values::samples("jane****@exam*******", locale) {
                let content = content.with(&self.service, &self.issuer, locale);
                let text = self.own.write(&content, locale).map_err(|error| error.to_string())?;
                written.push((name, text));
            }
        }
        Ok(written)
    }
}

/// Templates that were read, by locale and use.
struct Shelf {
    environment: Environment<'static>,
    locales: Vec<Locale>,
    /// The name of the file for each use, which can be that of a shorter locale.
    names: BTreeMap<Use, String>,
}

impl Shelf {
    fn of(files: &Files) -> Result<Self, String> {
        let mut environment = environment();
        let mut add = |name: &str, text: &str| {
            let added = environment.add_template_owned(name.to_owned(), text.to_owned());
            added.map_err(|error| check::sentence(name, &error))
        };
        add(LAYOUT, &files.layout)?;
        for source in files.sources.values() {
            add(&source.name, &source.text)?;
        }
        let locales = files.locales();
        let mut names = BTreeMap::new();
        for locale in &locales {
            for (kind, part) in Kind::ALL.into_iter().flat_map(|kind| Part::ALL.map(|part| (kind, part))) {
                let wanted = Use { locale: locale.clone(), kind, part };
                let name = files.find(&wanted)?.name.clone();
                names.insert(wanted, name);
            }
        }
        Ok(Self { environment, locales, names })
    }

    fn write(&self, content: &Content, locale: &Locale) -> Result<Text, minijinja::Error> {
        let mut values = content.values.clone();
        let subject = self.part(content.kind, Part::Subject, locale, &values)?;
        // A header is one line.
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        values.insert("subject", Value::from(subject.as_str()));
        let text = self.part(content.kind, Part::Text, locale, &values)?;
        let html = self.part(content.kind, Part::Html, locale, &values)?;
        let ended = |text: &str| format!("{}\n", text.trim());
        Ok(Text { subject, text: ended(&text), html: ended(&html), locale: locale.clone() })
    }

    fn part(
        &self,
        kind: Kind,
        part: Part,
        locale: &Locale,
        values: &values::Values,
    ) -> Result<String, minijinja::Error> {
        let wanted = Use { locale: locale.clone(), kind, part };
        let name = self.names.get(&wanted).map_or("", String::as_str);
        self.environment.get_template(name)?.render(values)
    }
}

/// The rules that templates follow.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A line that holds a tag alone leaves no empty line.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // A name that has no value fails where it is printed, and can be asked for with `if`.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
    });
    environment.add_filter("plural", format::plural);
    // Errors then name what has no value.
    environment.set_debug(true);
    environment
}
