//! Proofs of addresses: an ask that is answered before anybody is looked for, and what takes a link or a code.
//!
//! Whether anybody has an address must show in no answer, and in no time that one took. So the answer to an ask is made
//! of the request alone, and all the rest happens behind it. This module must never wait for the database before it
//! answers an ask.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    BindingCode, Denial, EmailAddress, Entropy, Store, Subject, Swap, Verifier, Write,
    address_proof::{AddressProof, Asked, ProofHandle, ProofLink, ProofPurpose, ProvenAddress},
    store::drive_with,
};
use getrandom::SysRng;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::{
    app::{App, ServerError},
    locale::{self, Locale},
    step::pause,
    store::{StoreError, User},
};

/// How often to look for rows that may go, and how many at once.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
const SWEEP_MOST: u16 = 500;

/// What somebody presents who has read the message.
pub(crate) enum Presented {
    /// The link, and the handle of the browser if it asked.
    Link(ProofLink, Option<ProofHandle>),
    /// The long code, in the browser that asked.
    Code(ProofHandle, BindingCode),
}

/// The key of an address's row: a hash, because a subject stands in the log.
pub(crate) fn subject_of(address: &EmailAddress) -> Result<Subject, ServerError> {
    let digest = digest::digest(&digest::SHA256, address.as_str().as_bytes());
    let text = format!("addr_{}", URL_SAFE_NO_PAD.encode(digest.as_ref()));
    Subject::new(&text).map_err(|_| ServerError::Misuse("a hash is a name"))
}

impl App {
    /// Answers an ask, and sends what is to be sent behind the answer. Every ask takes a turn, whether or not anybody
    /// has the address.
    pub(crate) fn ask(
        self: &Arc<Self>,
        purpose: ProofPurpose,
        address: EmailAddress,
    ) -> Result<Asked, ServerError> {
        let turn = Arc::clone(&self.steps).try_acquire_owned().map_err(|_| ServerError::Overloaded)?;
        let subject = subject_of(&address)?;
        let (now, entropy) = (OffsetDateTime::now_utc(), Entropy::draw(&mut SysRng)?);
        let asked = self.core.prove(|verifier| verifier.asked(&subject, purpose, now, &entropy));
        let records = Records { app: Arc::clone(self), locale: locale::of_request() };
        let work = async move {
            if let Err(error) = records.send_link(purpose, &address, &subject, now, &entropy).await {
                tracing::error!(%error, "a link could not be sent");
            }
            drop(turn);
        };
        tokio::spawn(work.in_current_span());
        Ok(asked)
    }

    /// Takes a link or a code. What was begun to be stored goes to its end, also if the client has gone.
    pub(crate) async fn take(
        self: &Arc<Self>,
        subject: Subject,
        presented: Presented,
    ) -> Result<Result<ProvenAddress, Denial>, ServerError> {
        let turn = self.turn().await?;
        let records = Records { app: Arc::clone(self), locale: None };
        let taken = async move {
            let step = |proof| {
                let now = OffsetDateTime::now_utc();
                records.app.core.prove(|verifier| match &presented {
                    Presented::Link(link, handle) => verifier.verify_link(proof, link, handle.as_ref(), now),
                    Presented::Code(handle, code) => verifier.verify_code(proof, handle, code, now),
                })
            };
            let outcome = drive_with(&records, &subject, step, pause).await?;
            records.app.conclude(&outcome);
            drop(turn);
            Ok(outcome.into_parts().0)
        };
        tokio::spawn(taken.in_current_span()).await.map_err(|_| ServerError::Stopped)?
    }

    /// Gives a user a new password, and ends whatever the former one opened: the sessions of this server, those of the
    /// record, and a sign-in that is under way.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        user: &User,
        hash: &str,
    ) -> Result<bool, ServerError> {
        if !self.database.set_password(&user.subject, hash, OffsetDateTime::now_utc()).await? {
            return Ok(false);
        }
        let revoke = |verifier: &Verifier, account, now, _: &Entropy| verifier.revoke_sessions(account, now);
        let revoked = self.step(user.subject.clone(), revoke).await?.into_parts().0;
        revoked.map_err(|_| ServerError::Misuse("the record is of another context"))?;
        Ok(true)
    }
}

/// Deletes the rows that may go, until the server ends: an ask for an address that nobody has makes none, and the others
/// need theirs for a day or two.
pub(crate) async fn sweep(app: Arc<App>) {
    loop {
        if let Err(error) = sweep_once(&app).await {
            tracing::warn!(%error, "proofs of addresses could not be looked through");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn sweep_once(app: &App) -> Result<(), StoreError> {
    let now = OffsetDateTime::now_utc();
    for proof in app.database.old_proofs(SWEEP_MOST).await? {
        if proof.is_idle(now) {
            app.database.forget_proof(&proof).await?;
        }
    }
    Ok(())
}

/// The records, and the locale of their messages.
struct Records {
    app: Arc<App>,
    locale: Option<Locale>,
}

impl Records {
    async fn send_link(
        &self,
        purpose: ProofPurpose,
        address: &EmailAddress,
        subject: &Subject,
        now: OffsetDateTime,
        entropy: &Entropy,
    ) -> Result<(), ServerError> {
        let has_account = self.app.database.user_by_email(address.as_str()).await?.is_some();
        let known = has_account || purpose == ProofPurpose::Confirm;
        // Who signs up with an address that has an account is sent the way back into that.
        let purpose = if has_account { ProofPurpose::Reset } else { purpose };
        let step = |proof: AddressProof| {
            let proof = if known { proof.for_address(address) } else { AddressProof::absent(subject) };
            self.app.core.prove(|verifier| verifier.ask(proof, purpose, now, entropy))
        };
        let outcome = drive_with(self, subject, step, pause).await?;
        self.app.conclude(&outcome);
        Ok(())
    }
}

impl Store for Records {
    type Record = AddressProof;
    type Error = StoreError;

    async fn load(&self, subject: &Subject) -> Result<Option<AddressProof>, StoreError> {
        self.app.database.load_proof(subject).await
    }

    async fn swap(&self, write: Write<AddressProof>) -> Result<Swap, StoreError> {
        self.app.database.swap_proof(write, self.locale.as_ref()).await
    }
}
