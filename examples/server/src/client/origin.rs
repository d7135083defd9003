//! An origin of a browser's page (RFC 6454 section 6.2), exactly as browsers write it in `Origin`: never a pattern.

use std::str::FromStr;

use url::Url;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Origin(String);

impl Origin {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Origin {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is not an origin: {why}"));
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            Ok(_) | Err(_) => return refuse("give scheme, host and port, such as https://app.example.com"),
        };
        if url.host_str().is_some_and(|host| host.contains('*')) {
            return refuse("it is one origin and not a pattern");
        }
        let written = url.origin().ascii_serialization();
        // A slash at the end is what people copy from the address bar.
        if text == written || text.strip_suffix('/') == Some(written.as_str()) {
            Ok(Self(written))
        } else {
            refuse(&format!("browsers write {written}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_write() {
        let read = |text: &str| text.parse::<Origin>().map(|origin| origin.as_str().to_owned());
        for good in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]:8080",
            "https://xn--mnchen-3ya.example",
        ] {
            assert_eq!(read(good).as_deref(), Ok(good));
        }
        assert_eq!(read("https://app.example.com/").as_deref(), Ok("https://app.example.com"));
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://*.example.com",
            "https://app.example.com/path",
            "https://app.example.com:443",
            "https://App.example.com",
            "https://münchen.example",
            "file:///etc/passwd",
            "https://user@app.example.com",
            "https://app.example.com?x",
            "https://app.example.com https://evil.example",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
    }
}
