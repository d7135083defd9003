//! A minimal host: begins a login, sends a challenge, takes its answer. Nothing is known when it is compiled.
use countersign::{
    Account, BindingCode, ChallengeRequest, Entropy, Key, KeyRing, Policy, Subject, Swap,
    Verifier,
    session::{Audience, ClientId, Scope},
};
use time::OffsetDateTime;

fn main() {
    std::process::exit(i32::from(run().is_none()));
}

fn run() -> Option<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let (name, first, second, typed) = (next()?, next()?, next()?, next()?);
    // As random as the arguments are; a host has a real source.
    let entropy = Entropy::from_bytes([name.len() as u8; 32]);
    let now = OffsetDateTime::from_unix_timestamp(typed.len() as i64).ok()?;
    let keys =
        KeyRing::new(&name, Key::new(first.as_bytes()).ok()?, Key::new(second.as_bytes()).ok()?).ok()?;
    let verifier = Verifier::new(keys, Policy::default());
    let (subject, client) = (Subject::new(&name).ok()?, ClientId::new(&name).ok()?);
    let scope = Scope::new(&name).ok()?;
    let mut record = Some(Account::new(&subject));
    let first_factor = verifier.prepare(record.as_ref()?).client(client.clone()).scope(scope);
    let first_factor = first_factor.audience(Audience::new(&name).ok()?);
    let begun = verifier.begin(first_factor, record.as_ref()?, now, &entropy).ok()?;
    let session = verifier.open(begun.token.expose(), Some(&client), now).ok()?;
    let step = verifier.challenge(&session, record.take()?, &ChallengeRequest::default(), now, &entropy);
    let store = |record: &mut Option<Account>, write: countersign::Write| {
        *record = Some(write.record);
        Ok::<_, ()>(Swap::Stored)
    };
    let challenged = step.commit(|write| store(&mut record, write)).ok()?.done()?.into_parts().0.ok()?;
    let handle = verifier.open_oob_code(&session, challenged.prompt.sent()?.oob_code.expose()).ok()?;
    let code = BindingCode::parse(&typed).ok()?;
    let step = verifier.verify_oob(&session, record.take()?, &handle, &code, now, None);
    step.commit(|write| store(&mut record, write)).ok()?.done()?.into_parts().0.ok()?;
    Some(())
}
