//! A factor that is off. A checked policy has another one that authenticates, and this library has no other
//! yet.

use std::vec::Vec;

use time::{Duration, OffsetDateTime};

use crate::{
    ChallengeRequest, Denial, Effect, EmailAddress, Entropy, Evidence, Key, KeyRing, NewFactor, Policy,
    Session, Step, Subject, Swap, Verifier,
    effect::Channel,
    factor::AuthenticatorKind,
    policy::{FactorUse, Settings},
    record::Record,
    session::{ClientId, ElevatedScopes},
};

const NOW: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

fn verifier(email: FactorUse) -> Verifier {
    let mut settings = Settings::default();
    settings.factors.email = email;
    let keys = KeyRing::new("tests", Key::new(&[1; 32]).unwrap(), Key::new(&[2; 32]).unwrap()).unwrap();
    Verifier::new(keys, Policy::unchecked(settings))
}

/// What a step answers, with the record as it is then.
fn commit<T, R: Record + Clone>(record: &mut R, step: Step<T, R>) -> (Result<T, Denial>, Vec<Effect>) {
    let (write, sealed) = step.into_parts();
    if let Some(write) = write {
        *record = write.record;
    }
    let (result, effects) = sealed.open(Swap::Stored).done().unwrap().into_parts();
    (result, effects.into_iter().collect())
}

/// A factor that is off is neither enrolled nor confirmed nor challenged, also where it was there before.
#[test]
fn a_factor_that_is_off_is_refused_everywhere() {
    let (on, off) = (verifier(FactorUse::Authenticate), verifier(FactorUse::Off));
    assert_eq!(off.policy().admits(AuthenticatorKind::Email), FactorUse::Off);
    let subject = Subject::new("user-1").unwrap();
    let client = ClientId::new("client-1").unwrap();
    let entropy = |byte| Entropy::from_bytes([byte; 32]);
    let email = |to: &str| NewFactor::email(EmailAddress::parse(to).unwrap());
    let mut record = crate::Account::new(&subject);
    let provisioned = on.provision(record.clone(), &email("first@example.com"), NOW, &entropy(1));
    let id = commit(&mut record, provisioned).0.unwrap();
    let first_factor = on.prepare(&record).client(client.clone());
    let session = on.begin(first_factor, &record, NOW, &entropy(2)).unwrap().session;
    let evidence = Evidence::oob(id, Channel::Email, NOW.into());
    let elevation = session.elevated_by(&evidence, record.epoch());
    let elevated = Session::elevated(elevation, ElevatedScopes::ALL, NOW + Duration::HOUR);
    let begun = on.associate(&elevated, record.clone(), &email("second@example.com"), NOW, &entropy(3));
    let (associated, effects) = commit(&mut record, begun);
    let oob_code = associated.unwrap().setup.sent().unwrap().oob_code.clone();
    let Some(Effect::Send(message)) = effects.first() else { panic!("a message") };
    let code = message.content.code().unwrap().clone();
    let handle = on.open_oob_code(&elevated, oob_code.expose()).unwrap();

    let refused = Denial::UnsupportedChallengeType;
    let third = off.associate(&elevated, record.clone(), &email("third@example.com"), NOW, &entropy(4));
    assert_eq!(commit(&mut record, third).0.unwrap_err(), refused);
    let confirmed = off.verify_oob(&elevated, record.clone(), &handle, &code, NOW, None);
    assert_eq!(commit(&mut record, confirmed).0.unwrap_err(), refused);
    let fourth = off.provision(record.clone(), &email("fourth@example.com"), NOW, &entropy(5));
    assert_eq!(commit(&mut record, fourth).0.unwrap_err(), refused);
    for request in [ChallengeRequest::default(), ChallengeRequest::default().authenticator(id)] {
        let challenged = off.challenge(&session, record.clone(), &request, NOW, &entropy(6));
        assert_eq!(commit(&mut record, challenged).0.unwrap_err(), refused);
    }
    assert_eq!(off.requirements(&elevated, &record, NOW).challenge, []);

    // What is there already stays listed, and can be taken back.
    assert_eq!(off.authenticators(&session, &record, NOW).unwrap().len(), 2);
    let confirmed = on.verify_oob(&elevated, record.clone(), &handle, &code, NOW, None);
    assert!(commit(&mut record, confirmed).0.is_ok(), "nothing was charged");
}
