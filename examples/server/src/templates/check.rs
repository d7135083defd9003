//! Tries templates before the first message depends on them. A sentence names the file and the placeholder.

use minijinja::{Error, Value};

use super::{
    Shelf,
    files::{LAYOUT, Part, Use},
    values::{self, Content},
};

/// The name in a trial: HTML must show it escaped.
const SERVICE: &str = "<service>";
const ISSUER: &str = "<issuer>";
const ADDRESS: &str = "<address>";

/// Every placeholder has a value, every code is shown, every value is escaped, in every locale and for every kind of
/// message.
pub(super) fn check(shelf: &Shelf) -> Result<(), String> {
    known_names(shelf, LAYOUT, &values::layout_names())?;
    for (purpose, name) in &shelf.names {
        known_names(shelf, name, &values::names(purpose.kind, purpose.part))?;
    }
    for locale in &shelf.locales {
        for (sample, content) in values::samples(ADDRESS, locale) {
            let content = content.with(SERVICE, ISSUER, locale);
            for part in Part::ALL {
                let wanted = Use { locale: locale.clone(), kind: content.kind, part };
                let name = shelf.names.get(&wanted).map_or("", String::as_str);
                let mut values = content.values.clone();
                if part != Part::Subject {
                    values.insert("subject", Value::from("<subject>"));
                }
                let written = shelf.part(content.kind, part, locale, &values);
                let written =
                    written.map_err(|error| format!("{} (tried with {sample})", sentence(name, &error)))?;
                right(part, &content, &written)
                    .map_err(|fault| format!("{name} {fault} (tried with {sample})"))?;
            }
        }
    }
    Ok(())
}

fn known_names(shelf: &Shelf, name: &str, known: &[&str]) -> Result<(), String> {
    let template = shelf.environment.get_template(name).map_err(|error| sentence(name, &error))?;
    let mut unknown: Vec<_> = template.undeclared_variables(false).into_iter().collect();
    unknown.retain(|used| !known.contains(&used.as_str()));
    unknown.sort();
    match unknown.first().map(String::as_str) {
        Some(used @ ("code" | "link")) if name.ends_with(".subject") => Err(format!(
            "{name} uses {{{{ {used} }}}}: a subject shows on locked screens and in logs, so the {used} may stand in the body only"
        )),
        Some(used) => Err(format!(
            "{name} uses {{{{ {used} }}}}, which does not exist there; what does: {}",
            known.join(", ")
        )),
        None => Ok(()),
    }
}

/// What must hold of a part that was written.
fn right(part: Part, content: &Content, written: &str) -> Result<(), String> {
    let shown = match part {
        Part::Subject | Part::Text => written.to_owned(),
        // Rules of a style sheet within a rule end with two braces.
        Part::Html => without_styles(written),
    };
    if let Some(braces) = ["{{", "}}", "{%", "%}"].into_iter().find(|braces| shown.contains(braces)) {
        return Err(format!("has {braces} without its counterpart"));
    }
    match part {
        Part::Subject if written.trim().is_empty() => return Err("is empty".to_owned()),
        Part::Subject if written.trim().contains(['\n', '\r']) => {
            return Err("has more than one line".to_owned());
        }
        Part::Subject | Part::Text => {}
        Part::Html => {
            let raw =
                [SERVICE, ISSUER, ADDRESS, "<subject>"].into_iter().find(|value| written.contains(value));
            if let Some(value) = raw.map(|value| value.trim_matches(['<', '>'])) {
                return Err(format!("fills {{{{ {value} }}}} in without escaping it"));
            }
        }
    }
    if part == Part::Subject {
        return Ok(());
    }
    // What the templates escape of a link.
    let plain = shown.replace("&#x2f;", "/").replace("&amp;", "&");
    let shows = |value: &str| plain.contains(value);
    match content.secrets.iter().find(|(_, value)| !shows(value)) {
        Some((name, _)) => Err(format!("does not show the {name}: put {{{{ {name} }}}} where it belongs")),
        None => Ok(()),
    }
}

fn without_styles(html: &str) -> String {
    let mut shown = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("<style") {
        shown.push_str(before);
        rest = after.split_once("</style>").map_or("", |(_, after)| after);
    }
    shown.push_str(rest);
    shown
}

/// What is wrong with a template, on one line.
pub(super) fn sentence(file: &str, error: &Error) -> String {
    // An error in the layout is told where it is.
    let file = error.name().filter(|name| !name.is_empty()).unwrap_or(file);
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{file}{line}: {what}")
}
