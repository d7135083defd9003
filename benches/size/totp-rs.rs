//! A minimal host: checks a TOTP code.
fn main() {
    std::process::exit(i32::from(run().is_none()));
}

fn run() -> Option<()> {
    let mut arguments = std::env::args().skip(1);
    let (secret, typed) = (arguments.next()?, arguments.next()?);
    let totp = totp_rs::Builder::new().with_secret(secret.clone().into_bytes()).build().ok()?;
    totp.check(&typed, secret.len() as u64).map(drop)
}
