//! One-time passwords with the programs and libraries that people have: `ci/otp.sh` installs them and runs
//! these tests.

use std::process::Command;

use countersign::{
    Policy,
    code::OtpCode,
    otp::OtpAlgorithm,
    policy::{FactorUse, Rate, Settings},
};
use countersign_testkit::{World, hotp, totp};
use time::Duration;

/// What a program prints, without the end of its line.
fn printed(program: &str, arguments: &[String]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Worlds of every algorithm, with digits and steps that go with it.
fn worlds() -> impl Iterator<Item = (World, OtpAlgorithm, u8, i64)> {
    let rows = [
        (OtpAlgorithm::Sha1, 6, 30),
        (OtpAlgorithm::Sha1, 8, 60),
        (OtpAlgorithm::Sha256, 6, 30),
        (OtpAlgorithm::Sha256, 7, 45),
        (OtpAlgorithm::Sha512, 8, 120),
    ];
    rows.into_iter().map(|(algorithm, digits, step)| {
        let mut settings = Settings::default();
        (settings.totp.algorithm, settings.totp.digits, settings.hotp.digits) = (algorithm, digits, digits);
        settings.totp.step = Duration::seconds(step);
        settings.factors.hotp = FactorUse::Authenticate;
        // The controls are wrong codes.
        (settings.guess_bucket, settings.long_guess_budget) = (Rate::new(1_000, Duration::SECOND), None);
        (World::new(Policy::new(settings).unwrap()), algorithm, digits, step)
    })
}

fn code(text: &str) -> OtpCode {
    OtpCode::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
#[ignore = "needs oathtool: see ci/otp.sh"]
fn codes_of_oathtool_are_accepted() {
    let oathtool = |arguments: &[String]| printed("oathtool", arguments);
    for (mut world, algorithm, digits, step) in worlds() {
        let session = world.login();
        let (associated, _) = world.associate_otp(&session, &totp()).unwrap();
        let secret = associated.setup.otp().unwrap().secret().to_owned();
        let mode = format!("--totp={}", algorithm.as_str().to_lowercase());
        for steps in 0..20 {
            let at = world.now + Duration::seconds(steps * step);
            let arguments = ["-b", &secret, "-d", &digits.to_string(), "-s", &format!("{step}s")];
            let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
            arguments.extend([mode.clone(), "-N".to_owned(), format!("@{}", at.unix_timestamp())]);
            let shown = oathtool(&arguments);
            let now = std::mem::replace(&mut world.now, at);
            let session = if steps == 0 { session.clone() } else { world.login() };
            assert!(world.verify_otp(&session, code(&shown)).is_ok(), "{algorithm:?} step {steps}");
            // The control: it is right once.
            let session = world.login();
            assert!(world.verify_otp(&session, code(&shown)).is_err());
            world.now = now;
        }
        let (mut device_world, ..) = worlds().find(|(.., other, _)| *other == digits).unwrap();
        let session = device_world.login();
        let (associated, _) = device_world.associate_otp(&session, &hotp()).unwrap();
        let secret = associated.setup.otp().unwrap().secret().to_owned();
        for counter in 0..10 {
            let arguments = ["--hotp", "-b", &secret, "-d", &digits.to_string(), "-c", &counter.to_string()];
            let shown = oathtool(&arguments.map(str::to_owned));
            let session = if counter == 0 { session.clone() } else { device_world.login() };
            assert!(device_world.verify_otp(&session, code(&shown)).is_ok(), "count {counter}");
        }
    }
}

/// Reads a URI and prints the code of an instant, or of a counter.
const PYOTP: &str = "import sys, pyotp
key = pyotp.parse_uri(sys.argv[1])
print(key.issuer, key.name, key.at(int(sys.argv[2])), sep='\\n')";

#[test]
#[ignore = "needs a Python with pyotp, named by PYTHON: see ci/otp.sh"]
fn pyotp_reads_the_uri_and_its_codes_are_accepted() {
    let python = std::env::var("PYTHON").expect("PYTHON names a Python that has pyotp");
    let shown = |uri: &str, at: i64| {
        let arguments = ["-c", PYOTP, uri, &at.to_string()].map(str::to_owned);
        let lines = printed(&python, &arguments);
        let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
        let [issuer, name, shown] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((issuer.as_str(), name.as_str()), ("Example", "user@example.com"));
        code(shown)
    };
    for (mut world, algorithm, _, step) in worlds() {
        let session = world.login();
        let (associated, _) = world.associate_otp(&session, &totp()).unwrap();
        let uri = associated.setup.otp().unwrap().barcode_uri().to_owned();
        for steps in 0..5 {
            world.pass(steps * step);
            let otp = shown(&uri, world.now.unix_timestamp());
            let session = if steps == 0 { session.clone() } else { world.login() };
            assert!(world.verify_otp(&session, otp.clone()).is_ok(), "{algorithm:?} step {steps}");
            let session = world.login();
            assert!(world.verify_otp(&session, otp).is_err());
        }
        let elevated = world.elevated();
        let (associated, _) = world.associate_otp(&elevated, &hotp()).unwrap();
        let uri = associated.setup.otp().unwrap().barcode_uri().to_owned();
        let confirmed = world.verify_otp(&elevated, shown(&uri, 0));
        assert!(confirmed.is_ok(), "{algorithm:?}: {confirmed:?}");
    }
}
