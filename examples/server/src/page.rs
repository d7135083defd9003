//! The page, and the policy that lets exactly its own script and style run.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};

pub(crate) const PAGE: &str = include_str!("../page/index.html");

/// The content security policy of everything that is not the page.
pub(crate) const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let script = sources(PAGE, "<script>", "</script>");
    let style = sources(PAGE, "<style>", "</style>");
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The content security policy of the page.
pub(crate) fn content_security_policy() -> &'static str {
    &POLICY
}

/// The hash of each inline element, as a source list.
fn sources(page: &str, open: &str, close: &str) -> String {
    let mut sources = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((content, after)) = after.split_once(close) else { break };
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, content.as_bytes()));
        sources.push(format!("'sha256-{hash}'"));
        rest = after;
    }
    if sources.is_empty() { "'none'".to_owned() } else { sources.join(" ") }
}
