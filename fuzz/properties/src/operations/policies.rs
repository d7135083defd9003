//! The policies that an input chooses from.

use super::*;

/// The presets, and small ones: one remembers devices as the default does, two for an hour and in the place of a second
/// factor, and of these one disables at the cap and the other hardens; the last remembers none.
pub(crate) const CHOICES: [u8; 7] = [0, 1, 2, 3, 0x63, 0x73, 0x83];

pub(super) fn policy(choice: u8, shape: u8) -> Policy {
    let small = |choice: u8, shape: u8| {
        let mut settings = Settings::default();
        let burst = u32::from(1 + (shape & 3));
        settings.attempts = 1 + (shape >> 2 & 1) * 2;
        settings.failure_cap = 2 + (shape >> 3 & 1) * 2;
        settings.guess_bucket = Rate::new(burst, Duration::seconds(60));
        settings.long_guess_budget = Some(Rate::new(burst + 2, Duration::hours(1)));
        settings.recovery_bucket = Rate::new(burst, Duration::seconds(60));
        settings.resend = if shape & 16 == 0 { Resend::Repeat } else { Resend::Rotate };
        settings.recovery_use = if shape & 32 == 0 { RecoveryUse::Consume } else { RecoveryUse::Replace };
        settings.recovery_throttle =
            if shape & 64 == 0 { RecoveryThrottle::Notify } else { RecoveryThrottle::Refuse };
        settings.recovery_codes = 2;
        settings.max_authenticators = 2;
        settings.max_unconfirmed = 1;
        settings.max_challenges = 2;
        settings.cool_down = Duration::seconds(i64::from(shape >> 7) * 10);
        settings.send_bucket = Rate::new(20, Duration::seconds(10));
        settings.long_send_budget = None;
        settings.when_exhausted = match choice >> 2 & 3 {
            0 => WhenExhausted::Harden,
            1 => WhenExhausted::HardenMessages,
            _ => WhenExhausted::Lock,
        };
        settings.remember = match choice >> 6 {
            0 => settings.remember,
            1 => Some(Remember::new(Duration::hours(1), choice & 0x20 != 0)),
            _ => None,
        };
        settings.at_cap = if choice & 0x10 == 0 { AtCap::Disable } else { AtCap::Harden };
        Policy::new(settings).unwrap()
    };
    match choice % 4 {
        0 => Policy::default(),
        1 => Policy::auth0(),
        2 => Policy::strict(),
        _ => small(choice, shape),
    }
}
