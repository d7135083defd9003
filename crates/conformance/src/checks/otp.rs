//! An app and a device through the host's store: the secret is shown, the first code confirms, another signs
//! in, and none does so twice. Nothing here may read an outcome before its record is stored.

use countersign::{Account, Denial, NewFactor, Swap, code::OtpCode};

use crate::{
    checks::steps::commit,
    fault::{Finding, Violation},
    fixtures::{
        account::{self, ATTEMPTS, ENROLLED_BEFORE},
        device::Device,
    },
    report::Findings,
    store::StoreUnderTest,
};

/// Enrolls an app and a device, and signs in by each.
pub(crate) async fn enrolled(store: &StoreUnderTest<'_>, findings: &mut Findings) -> Result<(), Finding> {
    let before = store.now().saturating_sub(ENROLLED_BEFORE);
    // An app shows codes of the time, and a device one at each press.
    let app = |device: &Device| Ok((device.code_at(before)?, device.code_at(store.now())?));
    journey(store, findings, "otp-app", &NewFactor::totp(account::label()?), app).await?;
    let device = |device: &Device| Ok((device.code(0)?, device.code(1)?));
    journey(store, findings, "otp-device", &NewFactor::hotp(account::label()?), device).await
}

async fn journey(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
    name: &str,
    factor: &NewFactor,
    codes: impl FnOnce(&Device) -> Result<(OtpCode, OtpCode), Finding>,
) -> Result<(), Finding> {
    let (verifier, now) = (store.verifier(), store.now());
    let before = now.saturating_sub(ENROLLED_BEFORE);
    let subject = store.subject(name)?;
    if store.load(&subject).await?.is_some() {
        let observed = format!("{subject:?} has a record before the run began");
        return Err(Finding::new(Violation::RunReused, observed));
    }
    let none = Account::new(&subject);
    let session = account::session_at(store, &none, "enrollment", before)?;
    let entropy = store.run().rng(&format!("{subject} record")).entropy();
    let begun = verifier.associate(&session, none, factor, before, &entropy);
    let (shown, record) = commit(store, begun).await?;
    let (first, next) = codes(&Device::new(&shown.map_err(Finding::kit)?)?)?;
    expect_stored(store, findings, record).await?;

    let first = first.into();
    let account = store.reload(&subject).await?;
    let (confirmed, record) =
        commit(store, verifier.verify_otp(&session, account, &first, before, None)).await?;
    findings.expect(confirmed.is_ok(), Violation::Vanished, || {
        format!("the first code of {name}, whose enrollment was stored, was answered {confirmed:?}")
    });
    expect_stored(store, findings, record).await?;
    let replayed = Some(Denial::InvalidOtpCode { attempts_left: ATTEMPTS.saturating_sub(1) });
    let account = store.reload(&subject).await?;
    let session = account::session_at(store, &account, "replay", before)?;
    let (again, record) = commit(store, verifier.verify_otp(&session, account, &first, before, None)).await?;
    findings.expect(again.as_ref().err().copied() == replayed, Violation::LimitBroken, || {
        format!("the code that had confirmed {name} was presented again and answered {again:?}")
    });
    expect_stored(store, findings, record).await?;

    // Two sign-ins by one code, from one load. The second is told nothing until it was stored, which it is not.
    let next = next.into();
    let account = store.reload(&subject).await?;
    let session = account::session_for(store, &account, "session")?;
    let other = account::session_for(store, &account, "other session")?;
    let lost = verifier.verify_otp(&other, account.clone(), &next, now, None);
    let (signed_in, record) = commit(store, verifier.verify_otp(&session, account, &next, now, None)).await?;
    findings.expect(signed_in.is_ok(), Violation::Vanished, || {
        format!("the next code of {name}, which was confirmed, was answered {signed_in:?}")
    });
    expect_stored(store, findings, record).await?;
    let (write, sealed) = lost.into_parts();
    let write = write.ok_or_else(|| Finding::kit("a sign-in by a code writes nothing"))?;
    let answer = store.swap(write).await?;
    findings.expect(answer == Swap::Lost, Violation::StaleCopyWins, || {
        format!("a write over a revision that was gone was answered {answer:?}")
    });
    let told = sealed.open(answer).done();
    let twice = told.is_some_and(|outcome| outcome.into_parts().0.is_ok());
    findings.expect(!twice, Violation::LimitBroken, || format!("one code of {name} signed in twice"));
    let account = store.reload(&subject).await?;
    let (again, record) = commit(store, verifier.verify_otp(&other, account, &next, now, None)).await?;
    findings.expect(again.as_ref().err().copied() == replayed, Violation::LimitBroken, || {
        format!("a code of {name} that had signed in was presented again and answered {again:?}")
    });
    expect_stored(store, findings, record).await
}

/// Checks that the row is what the step wrote.
async fn expect_stored(
    store: &StoreUnderTest<'_>,
    findings: &mut Findings,
    record: Option<Account>,
) -> Result<(), Finding> {
    match record {
        Some(record) => store.expect_row(findings, &record, &[]).await,
        None => Ok(()),
    }
}
