//! A message in the form that travels: headers and two parts (RFC 5322, RFC 2046). This module must never put a text
//! into a header that was not checked or written on one line.

use lettre::{
    Message as Mail,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::MailError;
use crate::templates::Text;

/// A message to one recipient.
pub(crate) struct Letter {
    /// The effect's id, so that a message that was sent twice can be told.
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) text: Text,
}

impl Letter {
    pub(super) fn write(self, from: &Mailbox, reply_to: Option<&Mailbox>) -> Result<Mail, MailError> {
        let permanent = |error: &dyn std::error::Error| MailError::Permanent(error.to_string());
        let to: Mailbox =
            in_ascii(&self.to).parse().map_err(|error: lettre::address::AddressError| permanent(&error))?;
        let mut mail = Mail::builder()
            .from(from.clone())
            .to(to)
            .subject(self.text.subject)
            .message_id(Some(format!("<{}@{}>", self.id, from.email.domain())))
            .date_now();
        if let Some(reply_to) = reply_to {
            mail = mail.reply_to(reply_to.clone());
        }
        let headers = [
            // RFC 3834 section 5: no machine is to answer.
            ("Auto-Submitted", "auto-generated"),
            // RFC 3282.
            ("Content-Language", self.text.locale.as_str()),
        ];
        for (name, value) in headers {
            let name = HeaderName::new_from_ascii_str(name);
            mail = mail.raw_header(HeaderValue::new(name, value.to_owned()));
        }
        mail.multipart(MultiPart::alternative_plain_html(self.text.text, self.text.html))
            .map_err(|error| permanent(&error))
    }
}

/// An address with its domain in ASCII (RFC 5891), as every relay takes it. A local part that is not in ASCII needs a
/// relay with SMTPUTF8 (RFC 6531) and stays as it is.
fn in_ascii(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    if !local.is_ascii() {
        return address.to_owned();
    }
    idna::domain_to_ascii(domain).map_or_else(|_| address.to_owned(), |domain| format!("{local}@{domain}"))
}
