//! Declassification: the only place where a secret-dependent result becomes a branch. Results are the outcome of a
//! comparison and the public id of a key.
//!
//! Whatever is computed from keys, seeds, codes or tags takes the same path and touches the same addresses whatever
//! their value. At the end there is one verdict, which the machines must branch on; it passes through here. That
//! gives the check in `verification/constant_time` one place to let a verdict out at: it marks every secret as
//! undefined, a build with `--cfg countersign_constant_time` tells it of each verdict, and any other branch on a
//! secret shows. No other build has the hook. Nothing but a verdict or a public id may ever pass through this
//! module.

use subtle::Choice;

/// Told of every verdict before it is branched on; only in the build that `verification/constant_time` examines.
#[cfg(countersign_constant_time)]
pub static DECLASSIFY: std::sync::OnceLock<fn(&mut [u8])> = std::sync::OnceLock::new();

/// Whether a comparison came out equal.
pub(crate) fn declassify(choice: Choice) -> bool {
    let mut verdict = [choice.unwrap_u8()];
    tell(&mut verdict);
    verdict != [0]
}

/// Which place of a scanned set was hit.
pub(crate) fn declassify_place(place: u32) -> u32 {
    let mut verdict = place.to_ne_bytes();
    tell(&mut verdict);
    u32::from_ne_bytes(verdict)
}

/// The id of a key: it is computed from the key and stands, for all to read, in what the key makes.
pub(crate) fn declassify_id(mut id: [u8; 4]) -> [u8; 4] {
    tell(&mut id);
    id
}

#[cfg(countersign_constant_time)]
fn tell(verdict: &mut [u8]) {
    if let Some(hook) = DECLASSIFY.get() {
        hook(verdict);
    }
}

#[cfg(not(countersign_constant_time))]
const fn tell(_: &mut [u8]) {}
