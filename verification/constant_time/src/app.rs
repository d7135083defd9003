//! A person's app: the codes of a secret that was shown, computed from a public copy of it.

use countersign::{code::OtpCode, factor::OtpSetup};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use time::OffsetDateTime;

use crate::valgrind::uncover;

/// An app of the default policy: SHA-1, six digits, 30 seconds.
pub struct App(Vec<u8>);

impl App {
    /// Takes the secret as a person types it.
    #[must_use]
    pub fn new(setup: &OtpSetup) -> Self {
        let mut text = setup.secret().as_bytes().to_vec();
        uncover(text.as_mut_slice());
        let value = |symbol: u8| {
            let symbols = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
            symbols.iter().position(|known| *known == symbol).expect("base32") as u64
        };
        let groups =
            text.chunks_exact(8).map(|group| group.iter().fold(0, |bits, symbol| bits << 5 | value(*symbol)));
        Self(groups.flat_map(|bits: u64| bits.to_be_bytes()[3..].to_vec()).collect())
    }

    /// The code of the step that many before this instant.
    #[must_use]
    pub fn code(&self, now: OffsetDateTime, before: u64) -> OtpCode {
        let step = u64::try_from(now.unix_timestamp()).expect("after the epoch") / 30 - before;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(&step.to_be_bytes());
        let mac = mac.finalize().into_bytes();
        let offset = usize::from(mac[19] & 0xf);
        let number = u32::from_be_bytes(*mac[offset..].first_chunk().expect("four bytes")) & 0x7fff_ffff;
        OtpCode::parse(&format!("{:06}", number % 1_000_000)).expect("six digits")
    }
}
