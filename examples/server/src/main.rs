//! A reference host for `countersign`: Auth0's MFA API over HTTP.
//!
//! The core decides, and this acts: it keeps records in SQLite or PostgreSQL, sends mail by SMTP, signs tokens, and
//! speaks HTTP. The loop that every command goes through is [`app::App::step`]; everything else is plumbing, cut so
//! that each piece can be taken on its own.

mod admin;
mod app;
mod asked;
mod asks;
mod attempts;
mod audit;
mod client;
mod conformance;
mod connections;
mod core;
mod cross_origin;
mod demo;
mod error;
mod first_factor;
mod handlers;
mod hashing;
mod headers;
mod hosts;
mod key_check;
mod key_use;
mod keys;
mod limits;
mod listing;
mod locale;
mod mail;
mod metrics;
mod options;
mod outbox;
mod page;
mod password_parameters;
mod peer;
mod proofs;
mod request;
mod request_id;
mod router;
mod server;
mod signals;
mod step;
mod store;
mod telemetry;
mod templates;
mod tokens;

use std::{io::Write as _, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    let options = options::Options::read();
    let Some(command) = options.command else {
        return match server::serve(options.serve).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(sentence) => fail(&sentence, 1),
        };
    };
    let json = command.json();
    match admin::audited(command, &options.serve).await {
        Ok(answer) => {
            // Whoever reads may have seen enough and be gone.
            let _ = writeln!(std::io::stdout(), "{}", answer.render(json));
            ExitCode::SUCCESS
        }
        Err(failure) => fail(&failure.sentence, failure.code),
    }
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    eprintln!("countersign-server: {sentence}");
    ExitCode::from(code)
}

/// Bytes that nobody can guess.
fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
