//! A person's app: it takes the content of a QR code, and shows the codes of another implementation, the
//! crate `totp-rs`.

use countersign::{code::OtpCode, factor::OtpSetup};
use time::OffsetDateTime;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// An app, or a device, with the secret of one authenticator.
#[derive(Clone, Debug)]
pub struct App {
    totp: Totp,
    /// The counter that the next press shows the code of; `None` if it shows codes of the time.
    counter: Option<u64>,
}

impl App {
    /// Scans the QR code.
    pub fn scan(setup: &OtpSetup) -> Self {
        let (place, query) = setup.barcode_uri().split_once('?').expect("a query");
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let of = |name: &str| value(name).unwrap_or_else(|| panic!("{name} in the URI"));
        let counter = value("counter").map(|counter| counter.parse().expect("a counter"));
        assert_eq!(counter.is_some(), place.starts_with("otpauth://hotp/"));
        assert_eq!(counter.is_none(), place.starts_with("otpauth://totp/"));
        let secret = Secret::try_from_base32(of("secret")).expect("base32");
        assert_eq!(secret.to_base32(), setup.secret(), "what is typed is what is scanned");
        let algorithm = match of("algorithm").as_str() {
            "SHA1" => Algorithm::SHA1,
            "SHA256" => Algorithm::SHA256,
            "SHA512" => Algorithm::SHA512,
            other => panic!("the algorithm {other}"),
        };
        // A counter is the number of steps of one second.
        let step = value("period").map_or(1, |period| period.parse().expect("seconds"));
        let digits = of("digits").parse().expect("digits");
        let builder = Builder::new().with_algorithm(algorithm).with_digits(digits).with_secret(secret);
        Self { totp: builder.with_step_duration(step).build().expect("RFC 6238"), counter }
    }

    /// The code of a time.
    pub fn at(&self, now: OffsetDateTime) -> OtpCode {
        assert!(self.counter.is_none(), "a device has no clock");
        self.code(u64::try_from(now.unix_timestamp()).expect("after the epoch"))
    }

    /// The code of the next press.
    pub fn press(&mut self) -> OtpCode {
        let counter = self.counter.expect("an app has no button");
        self.counter = counter.checked_add(1);
        self.code(counter)
    }

    /// The code of a counter.
    pub fn of_counter(&self, counter: u64) -> OtpCode {
        assert!(self.counter.is_some(), "an app has no counter");
        self.code(counter)
    }

    fn code(&self, time: u64) -> OtpCode {
        OtpCode::parse(&self.totp.generate(time).to_string()).expect("a code")
    }
}

/// A well-formed code that is none of these.
pub fn wrong_otp(right: &[&OtpCode]) -> OtpCode {
    let length = usize::from(right[0].length());
    let codes = (0_u32..).map(|number| format!("{number:0length$}"));
    let mut wrong = codes.filter(|text| right.iter().all(|code| code.expose() != text));
    OtpCode::parse(&wrong.next().expect("more codes than are right")).expect("a code")
}
