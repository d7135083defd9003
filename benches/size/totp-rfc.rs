//! A minimal host: checks a TOTP code.
fn main() {
    std::process::exit(i32::from(run().is_none()));
}

fn run() -> Option<()> {
    let mut arguments = std::env::args().skip(1);
    let (secret, typed) = (arguments.next()?, arguments.next()?);
    let key = totp_rfc::Secret::new(secret.as_bytes()).ok()?;
    totp_rfc::Totp::default().verify(&key, secret.len() as u64, &typed).ok()?.then_some(())
}
