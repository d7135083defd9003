//! Journeys to start from: the seeds of `operations`.

use super::*;

/// Journeys to start from, each command as its three bytes.
pub(crate) fn journeys() -> Vec<(&'static str, Vec<[u8; 3]>)> {
    let enroll = [[BEGIN, 0, 0], [ASSOCIATE, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
    let sign_in = [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [RIGHT, 0, 0], [CLOCK, 0, 3]];
    let guess =
        [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [RIGHT, 1, 0], [CLOCK, 0, 5]];
    let recover =
        [[BEGIN, 0, 0], [RECOVER, 0, 0], [RECOVER, 0, 0], [BEGIN, 0, 0], [RECOVER, 0, 0], [RECOVER, 99, 1]];
    let elevated = [[ELEVATE, 0, 0], [ASSOCIATE, 0, 1], [RIGHT, 0, 0], [REGENERATE, 0, 0], [REMOVE, 0, 0]];
    // Two addresses with names, one preferred; it is chosen, disabled and removed.
    let preferred = [
        [RENAME, 0, 1],
        [ELEVATE, 0, 0],
        [ASSOCIATE, 0, 1],
        [RENAME, 0, 1],
        [RIGHT, 0, 0],
        [RENAME, 0, 2],
        [RENAME, 0, 2],
        [RENAME, 0, 7],
        [RENAME, 0, 0],
        [PREFER, 0, 5],
        [PREFER, 0, 5],
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [WRONG, 0, 0],
        [WRONG, 0, 0],
        [PREFER, 1, 1],
        [PREFER, 1, 29],
        [CLOCK, 0, 3],
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [ELEVATE, 0, 0],
        [PREFER, 0, 0],
        [PREFER, 0, 5],
        [PREFER, 0, 1 | UNKNOWN],
        [RENAME, 0, 1 | UNKNOWN],
        [REMOVE, 0, 0],
        [PREFER, 0, 1],
    ];
    let host = [[PROVISION, 2, 0], [REPORT, 0, 0], [DEPROVISION, 2, 0], [UNLOCK, 0, 0], [RESET, 0, 0]];
    let lost =
        [[BEGIN, 0, 0], [CHALLENGE, 0, LOST], [CHALLENGE, 0, UNKNOWN], [CANCEL, 0, 0], [RIGHT, 0, LOST]];
    let jumps: Vec<[u8; 3]> =
        (0..16).flat_map(|jump| [[CLOCK, 0, jump], [BEGIN, 0, 0], [CHALLENGE, 0, 0]]).collect();
    let after = |rest: &[[u8; 3]]| [&enroll[..], rest].concat();
    // Variants: sessions without a client, of another subject, without a scope; challenges that name what they want.
    let variants: Vec<[u8; 3]> = (0..8_u8)
        .flat_map(|variant| {
            let of = |what: u8| what | variant << 4;
            [
                [of(BEGIN), 0, 0],
                [of(CHALLENGE), 0, 0],
                [ASSOCIATE, 0, 1],
                [RECOVER, 0, 0],
                [of(ELEVATE) | (0x80 * (variant & 1)), 0, variant],
                [ASSOCIATE, 0, 2],
                [of(REMOVE), 0, variant],
            ]
        })
        .collect();
    let doors = [
        [RIGHT, 0, 0x10],
        [CANCEL | 0x10, 0, 0],
        [REGENERATE, 0, 0],
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [RIGHT, 1, 0],
    ];
    vec![
        ("enroll", enroll.to_vec()),
        ("sign-in", after(&sign_in)),
        ("guess", after(&guess.repeat(4))),
        ("recover", after(&recover)),
        ("elevated", after(&elevated)),
        ("host", after(&host)),
        ("lost", after(&lost)),
        ("jumps", after(&jumps)),
        ("variants", after(&variants)),
        ("doors", after(&doors)),
        ("preferred", after(&preferred)),
        (
            "late",
            after(&[
                [BEGIN_LATE, 0, 0],
                [BEGIN_LATE, 0, 0],
                [CHALLENGE, 0, 0],
                [REVOKE, 0, 0],
                [BEGIN_LATE, 0, 0],
            ]),
        ),
        // An elevation that is too old, and one that is no factor's.
        (
            "old",
            after(&[[ELEVATE, 0, 0], [CLOCK, 0, 6], [CLOCK, 0, 6], [ASSOCIATE, 0, 1], [REGENERATE, 0, 0]]),
        ),
        ("read", after(&[[ELEVATE, 0, BY_DEVICE], [ASSOCIATE, 0, 1], [REGENERATE, 0, 0], [REMOVE, 0, 0]])),
        ("provisioned", after(&[[PROVISION, 2, 0], [ELEVATE, 0, 0], [REMOVE, 0, 0], [REMOVE, 0, 1]])),
    ]
    .into_iter()
    .chain(apps(&enroll))
    .chain(devices())
    .collect()
}

/// Journeys of apps; one of them after these commands.
fn apps(enroll: &[[u8; 3]]) -> Vec<(&'static str, Vec<[u8; 3]>)> {
    let (app, right, wrong) = (ASSOCIATE | APP << 4, RIGHT | APP << 4, WRONG | APP << 4);
    let with_app = [[BEGIN, 0, 0], [app, 0, 0], [app, 0, 0], [right, 0, 0], [CLOCK, 0, 3]];
    let use_app = [
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [wrong, 0, 0],
        [right, 0, 0x21],
        [right, 0, 1],
        [BEGIN, 0, 0],
        [right, 0, 1],
        [right, 0, 0],
        [BEGIN, 0, 0],
        [right, 0, 0],
        [right, 0, 4],
        [CLOCK, 0, 3],
    ];
    let row = FOUR << 4;
    // Guesses until four codes are wanted: one is refused, a wrong row and a right one are judged.
    let four = [
        [BEGIN, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [BEGIN, 0, 0],
        [wrong, 0, 0],
        [wrong, 0, 0],
        [CHALLENGE, 0, 0],
        [right, 0, 0],
        [wrong | row, 0, 0],
        [wrong | row, 0, 9],
        [right | row, 0, 2],
        [right | row, 0, 0],
        [BEGIN, 0, 0],
        [right | row, 0, 0],
        [CLOCK, 0, 3],
        [right | row, 0, 1],
    ];
    let second_app = [
        [ELEVATE, 0, 0],
        [app, 0, 0],
        [wrong, 0, 4],
        [right, 0, 4],
        [BEGIN, 0, 0],
        [right, 0, 4],
        [right, 1, 0],
        [RECOVER, 0, 0],
        [ELEVATE, 0, 0],
        [REGENERATE, 0, 0],
        [REMOVE, 0, 0],
        [REMOVE, 0, 0],
    ];
    let guess_app = [[BEGIN, 0, 0], [wrong, 0, 0], [wrong, 0, 0], [right, 0, 0], [CLOCK, 0, 5]];
    // A device that an app vouches for: it is used, guessed on and replaced, and gone with the app.
    let on_it = [[BEGIN, 0, 0], [RECOGNIZE, 0, 0]];
    let answer = [[BEGIN, 0, 0], [right, REMEMBER, 0], [CLOCK, 0, 3]];
    let skip = [[BEGIN, 0, 0], [RECOGNIZE, 0, 0], [VERIFY_DEVICE, 0, 0]];
    let replace = [[CHALLENGE, 0, 0], [right, REMEMBER, 0], [CLOCK, 0, 3]];
    let guess = [[wrong, 0, 0], [wrong, 0, 0], [wrong, REMEMBER, 0]];
    let four_on_it = [[wrong | row, 0, 0], [right | row, REMEMBER, 0], [CLOCK, 0, 3]];
    let app_device = [
        &with_app[..],
        &answer,
        &skip,
        &on_it,
        &replace,
        &on_it,
        &guess,
        &on_it,
        &guess,
        &on_it,
        &four_on_it,
        &skip,
        &[[REMOVE_AUTHENTICATOR, 0, 0]],
        &skip,
    ];
    // Elevations that are too old, of a clock ahead, and no factor's, when an app is set up and when it is confirmed.
    let app_old = [
        [ELEVATE, 0, 0],
        [app, 0, 0],
        [CLOCK, 0, 6],
        [CLOCK, 0, 6],
        [right, 0, 0],
        [app, 0, 0],
        [ELEVATE, 0, 0],
        [app, 0, 0],
        [CLOCK, 0, 12],
        [app, 0, 0],
        [right, 0, 0],
        [ELEVATE, 0, BY_DEVICE],
        [app, 0, 0],
    ];
    vec![
        ("app", [&with_app[..], &use_app].concat()),
        ("app-device", app_device.concat()),
        ("app-old", [&with_app[..], &app_old].concat()),
        ("app-four", [&with_app[..], &[[CLOCK, 0, 3]], &four].concat()),
        ("app-second", [&with_app[..], &second_app].concat()),
        ("app-guess", [&with_app[..], &guess_app.repeat(8)].concat()),
        ("app-beside-email", [enroll, &second_app, &use_app].concat()),
    ]
}

/// Journeys of remembered devices.
fn devices() -> Vec<(&'static str, Vec<[u8; 3]>)> {
    let enroll = [[BEGIN, 0, 0], [ASSOCIATE, 0, 0], [RIGHT, REMEMBER, 0], [CLOCK, 0, 3]];
    let after = |rest: &[&[[u8; 3]]]| [&enroll[..], &rest.concat()].concat();
    let begin = [[BEGIN, 0, 0], [RECOGNIZE, 0, 0]];
    let sign_in = [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [RIGHT, REMEMBER, 0], [CLOCK, 0, 3]];
    // The session that comes of it may read, and no more.
    let complete =
        [[VERIFY_DEVICE, 0, 0], [ASSOCIATE, 0, 1], [REGENERATE, 0, 0], [FORGET, 0, 0], [VERIFY_DEVICE, 1, 0]];
    let replace = [[CHALLENGE, 0, 0], [RIGHT, REMEMBER, 0], [BEGIN, 0, 0], [RECOGNIZE, 0, 8], [CLOCK, 0, 3]];
    let guess =
        [[BEGIN, 0, 0], [CHALLENGE, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [CLOCK, 0, 3]];
    let guess_on_it =
        [[BEGIN, 0, 0], [RECOGNIZE, 0, 0], [CHALLENGE, 0, 0], [WRONG, 0, 0], [WRONG, 0, 0], [CLOCK, 0, 3]];
    let send = [[BEGIN, 0, 0], [CHALLENGE, 0, 0]];
    let send_on_it = [[BEGIN, 0, 0], [RECOGNIZE, 0, 0], [CHALLENGE, 0, 0]];
    let forget = [[ELEVATE, 0, 0], [FORGET | ELSEWHERE, 0, 0], [FORGET, 0, 0], [FORGET, 0, 0]];
    let host = [[FORGET_DEVICE, ELSEWHERE, 0], [FORGET_DEVICE, 0, 0], [FORGET_DEVICE, 0, 0]];
    let all = [[VERIFY_DEVICE, 0, 0], [CHALLENGE, 0, 0], [RIGHT, 0, 0]];
    let shown: Vec<[u8; 3]> =
        (0..8).flat_map(|shown| [[BEGIN, 0, 0], [RECOGNIZE, 0, shown], [VERIFY_DEVICE, 0, 0]]).collect();
    // A session of another account, on the device of that one or of this.
    let foreign = [[BEGIN | 0x20, 0, 0], [RECOGNIZE, 0, 6], [VERIFY_DEVICE, 0, 0], [RECOGNIZE, 1, 0]];
    // The same transaction from outside and on a device, in either order.
    let lanes = [
        [BEGIN, 0, 0],
        [CHALLENGE, 0, 0],
        [RECOGNIZE, 0, 0],
        [CLOCK, 0, 2],
        [CHALLENGE, 0, 0],
        [WRONG, 0, 0],
        [CHALLENGE, 1, 0],
        [RIGHT, REMEMBER, 0x10],
    ];
    let days: Vec<[u8; 3]> = (0..5)
        .flat_map(|_| [[CLOCK, 0, 9], [BEGIN, 0, 0], [RECOGNIZE, 0, 0], [VERIFY_DEVICE, 0, 0]])
        .collect();
    vec![
        ("device", after(&[&begin, &complete])),
        ("device-replaced", after(&[&begin, &replace, &begin, &all])),
        ("device-completed", after(&[&begin, &all, &begin, &[[RECOVER, 0, 0]]])),
        ("device-guessed", after(&[&guess.repeat(4), &begin, &all, &guess_on_it.repeat(2), &send])),
        ("device-guesses", after(&[&guess_on_it.repeat(6), &send, &begin, &all])),
        ("device-sends", after(&[&send.repeat(6), &send_on_it.repeat(6), &send])),
        ("device-lanes", after(&[&lanes, &begin, &all])),
        ("device-forgotten", after(&[&sign_in, &forget, &begin, &all, &[[FORGET, 0, 0]]])),
        ("device-forgotten-by-the-host", after(&[&sign_in, &host, &begin, &all])),
        ("device-expired", after(&[&days, &[[CLOCK, 0, 13]], &begin, &all, &sign_in])),
        (
            "device-early",
            after(&[
                &sign_in[..3],
                &[[CLOCK, 0, 10]],
                &begin,
                &all,
                &[[CLOCK, 0, 12]],
                &begin,
                &all,
                &[[CLOCK, 0, 7]],
                &begin,
                &all,
            ]),
        ),
        ("device-shown", after(&[&sign_in, &shown, &foreign])),
        ("device-ninth", after(&[&sign_in.repeat(8), &[[BEGIN, 0, 0], [RECOGNIZE, 0, 56]], &all, &sign_in])),
        (
            "device-revoked",
            after(&[&[[REVOKE, 0, 0]], &begin, &all, &send.repeat(6), &[[REVOKE, 0, 0]], &send]),
        ),
        ("device-of-one-removed", after(&[&[[REMOVE_AUTHENTICATOR, 0, 0]], &begin, &all])),
        ("device-of-one-given-up", after(&[&[[ELEVATE, 0, 0], [REMOVE, 0, 0]], &begin, &all])),
        ("device-reset", after(&[&[[RESET, 0, 0]], &begin, &all])),
        (
            "device-elevated",
            after(&[&[[ELEVATE, 0, 0], [RECOGNIZE, 0, 0], [ASSOCIATE, 0, 1], [RIGHT, REMEMBER, 0]]]),
        ),
        ("device-lost", after(&[&begin, &[[VERIFY_DEVICE, 0, LOST], [VERIFY_DEVICE, 0, UNKNOWN]], &forget])),
    ]
}
