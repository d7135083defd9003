//! What is asked of the person at the terminal: a yes, and a new password, which is not shown.
//!
//! Where there is no terminal nothing waits for an answer: a password is the first line of the standard input, and a
//! question is refused.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use countersign::wire::Parameter;

use super::Failure;

/// The least length of a password, in characters.
const SHORTEST: usize = 8;

/// Asks before something is lost. `loss` says what, and is one sentence without its full stop.
pub(super) fn confirm(loss: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::unconfirmed(format!("{loss}: give --yes if it may be")));
    }
    let mut terminal = io::stderr();
    let unreadable = |error: io::Error| Failure::from(format!("no answer can be read: {error}"));
    write!(terminal, "{loss}. Go on? [y/N] ").and_then(|()| terminal.flush()).map_err(unreadable)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(unreadable)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::unconfirmed("nothing was changed")),
    }
}

/// A new password: asked for twice on a terminal, else the first line of the standard input.
pub(super) fn new_password() -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::from(format!("the password cannot be read: {error}"));
    let password = if io::stdin().is_terminal() {
        let password = rpassword::prompt_password("New password: ").map_err(unreadable)?;
        if password != rpassword::prompt_password("The same again: ").map_err(unreadable)? {
            return Err("the two passwords differ".to_owned().into());
        }
        password
    } else {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.chars().count() < SHORTEST {
        return Err(format!("a password has at least {SHORTEST} characters").into());
    }
    if password.len() > Parameter::MAX_BYTES {
        return Err(format!(
            "a password has at most {} bytes: no request takes a longer one",
            Parameter::MAX_BYTES
        )
        .into());
    }
    Ok(password)
}
