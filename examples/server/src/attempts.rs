//! The answer to a wrong binding code or one-time password: how many attempts are left, and until when none
//! is taken.
//!
//! Auth0's error is the same for each wrong code, and it stays: the count is a field beside it, which clients
//! that do not know it ignore. The field must never tell more than the client can count by itself. The core
//! counts attempts for one authenticator in one transaction, both of which the client holds; a lock and a
//! disabled authenticator, which depend on other transactions, are what its next request is told anyway: they
//! are told at once where the account's holder is, which is not each time. A short code that hardening ended
//! is no attempt any more, either; that is what the next answer says.

use countersign::{
    Denial, Effect,
    effect::Notice,
    wire::{Endpoint, refuse},
};
use time::OffsetDateTime;

use crate::error::ApiError;

/// The refusal of a code that the core judged.
pub(crate) fn refused(endpoint: Endpoint, denial: &Denial, effects: &[Effect]) -> ApiError {
    let mut refusal = refuse(endpoint, denial);
    let (Denial::InvalidBindingCode { attempts_left } | Denial::InvalidOtpCode { attempts_left }) = denial
    else {
        return refusal.into();
    };
    let mut attempts_left = *attempts_left;
    for effect in effects {
        let Effect::Notify(notify) = effect else { continue };
        if let Notice::Locked { until, .. } = notify.notice {
            attempts_left = 0;
            let nanoseconds = i128::from(until).saturating_mul(1_000_000);
            refusal.retry_at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok();
        }
        if matches!(notify.notice, Notice::Disabled { .. }) {
            attempts_left = 0;
        }
    }
    ApiError::WrongCode { refusal, attempts_left }
}
