//! Every command of the library in a module that has nothing but `core` and `alloc`: no standard library, no imports.
//! What the library needs comes in as the two arguments of the one export.
#![no_std]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use countersign::{
    Account, BindingCode, ChallengeRequest, Effect, EmailAddress, Entropy, Key, KeyRing, Policy, Session,
    Step, Subject, Swap, Verifier,
    address_proof::{AddressProof, AddressVerifier, ProofPolicy, ProofPurpose},
    effect::DeliveryReport,
    session::{ClientId, ElevatedScopes, Scope},
    step::{Committed, Effects},
};
use rand::{SeedableRng, rngs::ChaCha20Rng};
use time::{Duration, OffsetDateTime};

/// Hands out memory and never takes it back: the module runs once.
struct Bump;

const ARENA: usize = 1 << 20;
static mut MEMORY: [u8; ARENA] = [0; ARENA];
static USED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every region is handed out once, aligned, and lies inside the arena.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = &raw mut MEMORY as usize;
        let start = (base + USED.load(Ordering::Relaxed)).next_multiple_of(layout.align());
        let end = start + layout.size() - base;
        if end > ARENA {
            return null_mut();
        }
        USED.store(end, Ordering::Relaxed);
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(feature = "cheat")]
#[link(wasm_import_module = "host")]
unsafe extern "C" {
    fn host_clock() -> i64;
}

/// Runs the journey and gives 1 if it came out as it should.
#[unsafe(no_mangle)]
pub extern "C" fn run(seed: u64, unix_seconds: i64) -> u32 {
    #[cfg(feature = "cheat")]
    // SAFETY: the host's function takes nothing and gives a number.
    let unix_seconds = unix_seconds + unsafe { host_clock() };
    u32::from(journey(seed, unix_seconds).is_some())
}

/// Stores a step in the row, by way of its stored form.
fn commit<T>(row: &mut Option<Account>, step: Step<T>) -> Option<(T, Effects)> {
    let committed = step.commit(|write| {
        if row.as_ref().map(Account::revision) != write.expected {
            return Ok::<_, postcard::Error>(Swap::Lost);
        }
        *row = Some(postcard::from_bytes(&postcard::to_allocvec(&write.record)?)?);
        Ok(Swap::Stored)
    });
    match committed.ok()? {
        Committed::Done(outcome) => {
            let (result, effects) = outcome.into_parts();
            Some((result.ok()?, effects))
        }
        Committed::Lost => None,
    }
}

fn mailed(effects: &[Effect]) -> Option<BindingCode> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(mail) => BindingCode::parse(mail.content.code()?.expose()).ok(),
        _ => None,
    })
}

fn journey(seed: u64, unix_seconds: i64) -> Option<()> {
    let rng = &mut ChaCha20Rng::seed_from_u64(seed);
    let mut draw = || Entropy::draw(rng).ok();
    let mut now = OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    let keys = KeyRing::new("no-io", Key::new(&[1; 32]).ok()?, Key::new(&[2; 32]).ok()?).ok()?;
    let verifier = Verifier::new(keys.clone(), Policy::auth0());
    let (subject, client) = (Subject::new("user-1").ok()?, ClientId::new("client-1").ok()?);
    let address = EmailAddress::parse("user@example.com").ok()?;
    let row = &mut None;
    let scope = Scope::new("openid").ok()?;
    let login = |row: &Option<Account>, now, entropy: Entropy| {
        let account = row.clone().unwrap_or_else(|| Account::new(&subject));
        let first_factor = verifier.prepare(&account).client(client.clone()).scope(scope.clone());
        let begun = verifier.begin(first_factor, &account, now, &entropy).ok()?;
        verifier.open(begun.token.expose(), Some(&client), now).ok()
    };

    let session = login(row, now, draw()?)?;
    let account = Account::new(&subject);
    let (associated, effects) =
        commit(row, verifier.associate(&session, account, &address.clone().into(), now, &draw()?))?;
    let handle = verifier.open_oob_code(&session, associated.setup.sent()?.oob_code.expose()).ok()?;
    commit(row, verifier.verify_oob(&session, row.clone()?, &handle, &mailed(&effects)?, now, None))?;
    let recovery = associated.recovery_codes?;

    now += Duration::minutes(1);
    let session = login(row, now, draw()?)?;
    let request = ChallengeRequest::default();
    let (challenged, effects) =
        commit(row, verifier.challenge(&session, row.clone()?, &request, now, &draw()?))?;
    let Some(Effect::Send(mail)) = effects.first() else { return None };
    commit(row, verifier.report_delivery(row.clone()?, mail.id, DeliveryReport::Failed, now))?;
    let handle = verifier.open_oob_code(&session, challenged.prompt.sent()?.oob_code.expose()).ok()?;
    let (verified, _) =
        commit(row, verifier.verify_oob(&session, row.clone()?, &handle, &mailed(&effects)?, now, None))?;
    verifier.authenticators(&session, row.as_ref()?, now).ok()?;

    let session = login(row, now, draw()?)?;
    commit(row, verifier.verify_recovery(&session, row.clone()?, recovery.first()?, now))?;
    let session = login(row, now, draw()?)?;
    let (challenged, _) = commit(row, verifier.challenge(&session, row.clone()?, &request, now, &draw()?))?;
    let handle = verifier.open_oob_code(&session, challenged.prompt.sent()?.oob_code.expose()).ok()?;
    commit(row, verifier.cancel(&session, row.clone()?, &handle, now))?;

    let until = now + Duration::minutes(10);
    let elevated = Session::elevated(verified.elevation?, ElevatedScopes::ALL, until);
    let (new, _) = commit(row, verifier.regenerate_recovery_codes(&elevated, row.clone()?, now, &draw()?))?;
    let other = EmailAddress::parse("other@example.com").ok()?;
    commit(row, verifier.provision(row.clone()?, &other.clone().into(), now, &draw()?))?;
    commit(row, verifier.deprovision(row.clone()?, &other.clone().into(), now))?;
    let (third, _) = commit(row, verifier.provision(row.clone()?, &other.into(), now, &draw()?))?;
    commit(row, verifier.remove_authenticator(row.clone()?, third, now))?;
    // The host's own changes ended every session; the elevation of the last step of its own stands no more.
    verifier
        .authenticators(&Session::elevated(new.elevation, ElevatedScopes::ALL, until), row.as_ref()?, now)
        .err()?;
    let session = login(row, now, draw()?)?;
    let (challenged, effects) =
        commit(row, verifier.challenge(&session, row.clone()?, &request, now, &draw()?))?;
    let handle = verifier.open_oob_code(&session, challenged.prompt.sent()?.oob_code.expose()).ok()?;
    let (verified, _) =
        commit(row, verifier.verify_oob(&session, row.clone()?, &handle, &mailed(&effects)?, now, None))?;
    let elevated = Session::elevated(verified.elevation?, ElevatedScopes::ALL, until);
    commit(row, verifier.remove(&elevated, row.clone()?, associated.authenticator, now))?;
    commit(row, verifier.unlock(row.clone()?, now))?;
    commit(row, verifier.revoke_sessions(row.clone()?, now))?;
    commit(row, verifier.reset(row.clone()?, now))?;

    let verifier = AddressVerifier::new(keys, ProofPolicy::default());
    for purpose in [ProofPurpose::Confirm, ProofPurpose::Reset] {
        let proof = AddressProof::new(&subject, address.clone());
        let (write, sealed) = verifier.ask(proof, purpose, now, &draw()?).into_parts();
        let (result, effects) = sealed.open(Swap::Stored).done()?.into_parts();
        let handle = verifier.open_handle(&subject, purpose, result.ok()?.oob_code.expose()).ok()?;
        let Effect::Send(message) = effects.first()? else { return None };
        let (token, code) = message.content.link()?;
        let link = verifier.open_link(&subject, purpose, token.expose()).ok()?;
        let proof = write?.record;
        let (_, sealed) = verifier.verify_code(proof.clone(), &handle, code, now).into_parts();
        sealed.open(Swap::Stored).done()?.into_parts().0.ok()?;
        let (_, sealed) = verifier.verify_link(proof, &link, Some(&handle), now).into_parts();
        sealed.open(Swap::Stored).done()?.into_parts().0.ok()?;
    }
    Some(())
}
