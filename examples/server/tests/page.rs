//! The page as the server serves it: its files, their types, its policy, and the page of a server without demonstration
//! data. What a person sees of it is tested in `tests/browser`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{MFA_SCOPE, Server, json};

/// The values of an attribute that name files of the page.
fn files<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let parts = html.split(attribute).skip(1);
    parts.filter_map(|part| part.split('"').next()).filter(|path| path.starts_with("/page/")).collect()
}

/// Every module that a script imports, by its path on the server.
fn imports(path: &str, script: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').unwrap().0;
    let named = script.lines().filter_map(|line| line.strip_prefix("import ")?.split('\'').nth(1));
    named
        .map(|name| match name.strip_prefix("../") {
            Some(name) => format!("{}/{name}", folder.rsplit_once('/').unwrap().0),
            None => format!("{folder}/{}", name.strip_prefix("./").unwrap()),
        })
        .collect()
}

#[test]
fn every_file_of_the_page_is_served_with_its_type() {
    let server = Server::start();
    let html = server.get("/").text;
    for path in files(&html, "href=\"").iter().chain(&files(&html, "src=\"")) {
        let file = server.get(path);
        let wanted = if path.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("content-type").unwrap(), format!("{wanted}; charset=utf-8"), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(file.header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{path}");
        for module in imports(path, &file.text) {
            assert!(
                html.contains(&format!("\"{module}\"")),
                "{path} imports {module}, which is not loaded early"
            );
        }
    }
    for path in ["/page/", "/page/nothing.js", "/page/../Cargo.toml", "/page/%2e%2e/Cargo.toml", "/page/%ff"]
    {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn the_page_has_no_inline_script_and_its_policy_allows_none() {
    for arguments in [&["--demo=true"], &["--demo=false"]] {
        let server = Server::with(arguments);
        let page = server.get("/");
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        let policy = page.header("content-security-policy").unwrap();
        for wanted in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "form-action 'none'",
            "require-trusted-types-for 'script'; trusted-types 'none'",
        ] {
            assert!(policy.contains(wanted), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(!page.text.contains("<style"), "a style is inline");
        assert!(!page.text.contains("<script>"), "a script is inline");
        assert!(page.text.matches("<script ").count() == 1, "there is one script");
    }
}

/// H27.
#[test]
fn a_server_without_demonstration_data_says_what_it_is() {
    let issuer = "https://mfa.example.com/a&b";
    let server =
        Server::with(&["--demo=false", "--issuer", issuer, "--service-name", "Nuts & Bolts {{issuer}}"]);
    let page = server.get("/");
    assert_eq!(page.status, 200);
    let shown = issuer.replace('&', "&amp;");
    assert!(page.text.contains(&shown) && !page.text.contains(issuer), "{}", page.text);
    assert!(page.text.contains("Nuts &amp; Bolts {{issuer}}"), "the name is no template");
    for named in ["countersign-server", "/page/API.md", "/.well-known/openid-configuration", "/healthz"] {
        assert!(page.text.contains(named), "{named}");
    }
    assert!(!page.text.contains("<form") && !page.text.contains("<input"));
    let described = server.get("/page/API.md");
    assert_eq!(described.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(described.text.contains("POST /mfa/recovery-codes"));
}

/// H22: the whole address, for both factors and the scope alone.
#[test]
fn whole_addresses_are_for_elevated_sessions() {
    let server = Server::start();
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let added = server.associate(&elevated, "uses@example.com");
    assert_eq!(added.status, 200, "{}", added.text);
    server.code(3);
    let listed = server.list(&elevated).body;
    assert_eq!(listed[0]["name"], listed[1]["name"], "one mask");
    assert_eq!(
        (&listed[0]["email"], &listed[1]["email"]),
        (&json!("user@example.com"), &json!("uses@example.com"))
    );
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("active"), &json!("unconfirmed")));
    assert_eq!(listed[0]["removable"], json!(true));
    let password_alone = server.list(&server.mfa_token());
    assert!(!password_alone.text.contains("user@example.com"), "{}", password_alone.text);
    for field in ["email", "state", "removable", "recovery_codes_left"] {
        assert!(
            password_alone.body.as_array().unwrap().iter().all(|entry| entry.get(field).is_none()),
            "{field}"
        );
    }
    let writer = server.elevated("enroll remove:authenticators");
    server.list(&writer).is_refused(
        403,
        "insufficient_scope",
        "Insufficient scope, expected: read:authenticators",
    );
}
