//! The page: its files, which are part of the binary, and the content security policies.
//!
//! The policy of the page names no inline script and no inline style, and lets only this origin be asked for any. All
//! else that this origin serves is JSON or plain text with `nosniff`, which no browser runs as a script. A new file
//! of the page goes into [`FILES`]. This module must never serve what is not in that list, and must never put text
//! that came from outside into a page without [`escaped`].

/// The content security policy of everything that is not the page.
pub(crate) const CSP_NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The content security policy of the page (CSP 3, and Trusted Types: no text becomes markup or script).
pub(crate) const CSP_PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The journey that a server with demonstration data shows.
pub(crate) const JOURNEY: &str = include_str!("../page/index.html");

/// Signing up with a confirmed address, and resetting a forgotten password. Neither has a placeholder: whatever a link
/// says is read by the script.
pub(crate) const SIGN_UP: &str = include_str!("../page/signup.html");
pub(crate) const RESET: &str = include_str!("../page/reset.html");

/// What a server without demonstration data says of itself. It has the placeholders `{{service}}` and
/// `{{issuer}}`.
const ABOUT: &str = include_str!("../page/about.html");

/// One file of the page.
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static str,
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! files {
    ($($content_type:ident $path:literal)+) => {
        &[$(($path, File { content_type: $content_type, content: include_str!(concat!("../page/", $path)) })),+]
    };
}

/// The files under `/page/`.
const FILES: &[(&str, File)] = files! {
    TEXT "API.md"
    STYLE "style/base.css"
    STYLE "style/parts.css"
    STYLE "style/developer.css"
    STYLE "style/print.css"
    SCRIPT "script/main.js"
    SCRIPT "script/about.js"
    SCRIPT "script/address.js"
    SCRIPT "script/code.js"
    SCRIPT "script/developer.js"
    SCRIPT "script/dom.js"
    SCRIPT "script/journey.js"
    SCRIPT "script/mailbox.js"
    SCRIPT "script/parts.js"
    SCRIPT "script/refusals.js"
    SCRIPT "script/server.js"
    SCRIPT "script/state.js"
    SCRIPT "script/time.js"
    SCRIPT "script/views.js"
    SCRIPT "script/views/account.js"
    SCRIPT "script/views/app.js"
    SCRIPT "script/views/choose.js"
    SCRIPT "script/views/code.js"
    SCRIPT "script/views/codes.js"
    SCRIPT "script/views/ended.js"
    SCRIPT "script/views/enroll.js"
    SCRIPT "script/views/recovery.js"
    SCRIPT "script/views/sign_in.js"
};

/// The file at this path below `/page/`.
pub(crate) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, file)| file)
}

/// The page that says which server this is.
pub(crate) fn about(service: &str, issuer: &str) -> String {
    ABOUT
        .split("{{service}}")
        .map(|part| part.replace("{{issuer}}", &escaped(issuer)))
        .collect::<Vec<_>>()
        .join(&escaped(service))
}

/// Text as HTML text or as the value of an attribute in double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
