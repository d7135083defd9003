//! `templates`: a copy of the built-in templates to begin with, and a preview of all messages.

use std::{fs, io, path::Path};

use serde_json::json;

use super::{Answer, Failure};
use crate::{
    options::{TemplatesAction, Words},
    templates::BUILT_IN,
};

/// The issuer of a preview.
const ISSUER: &str = "https://login.example.com/";

pub(super) fn run(action: &TemplatesAction) -> Result<Answer, Failure> {
    Ok(match action {
        TemplatesAction::Export { folder } => export(folder)?,
        TemplatesAction::Render { folder, issuer, words } => {
            render(folder, issuer.as_deref().unwrap_or(ISSUER), words)?
        }
    })
}

/// Nothing that is there is replaced.
fn export(folder: &Path) -> Result<Answer, String> {
    make(folder)?;
    if let Some((name, _)) = BUILT_IN.iter().find(|(name, _)| folder.join(name).exists()) {
        return Err(format!("{} is there already", folder.join(name).display()));
    }
    for (name, text) in BUILT_IN {
        write(&folder.join(name), text)?;
    }
    let said = format!("{} holds the built-in templates.", folder.display());
    Ok(Answer::new(said, json!({ "folder": folder, "files": BUILT_IN.map(|(name, _)| name) })))
}

fn render(folder: &Path, issuer: &str, words: &Words) -> Result<Answer, String> {
    let samples = words.load()?.named(words.service(issuer).as_str(), issuer).samples()?;
    make(folder)?;
    let mut index =
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Messages</title>\n<ul>\n"
            .to_owned();
    for (name, text) in &samples {
        let name = format!("{name}.{}", text.locale);
        write(&folder.join(format!("{name}.subject")), &format!("{}\n", text.subject))?;
        write(&folder.join(format!("{name}.txt")), &text.text)?;
        write(&folder.join(format!("{name}.html")), &text.html)?;
        index.push_str(&format!(
            "<li>{name}: <a href=\"{name}.html\">html</a>, <a href=\"{name}.txt\">txt</a>\n"
        ));
    }
    index.push_str("</ul>\n");
    write(&folder.join("index.html"), &index)?;
    let said = format!("{} holds {} messages: open index.html.", folder.display(), samples.len());
    Ok(Answer::new(said, json!({ "folder": folder, "messages": samples.len() })))
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}
