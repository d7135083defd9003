//! Pages from other origins: each reads what is answered to a client that registered it, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{PASSWORD, Reply, Server, eventually, json, run};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const APP: &str = "https://app.example.com";
const OTHER: &str = "https://other.example.com";

fn server() -> Server {
    let server = Server::start();
    for (client, origin) in [("app", APP), ("other", OTHER)] {
        let added =
            run(server.directory().path(), &["clients", "add", client, "--public", "--origin", origin]);
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
    server
}

fn preflight(server: &Server, path: &str, origin: &str) -> Reply {
    let asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type,auth0-client"),
    ];
    server.send("OPTIONS", path, &asked, "")
}

fn let_in(reply: &Reply) -> Option<&str> {
    assert!(
        reply
            .headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("vary") && value.contains("Origin"))
    );
    assert_eq!(reply.header("access-control-allow-credentials"), None);
    reply.header("access-control-allow-origin")
}

/// H16.
#[test]
fn a_registered_origin_passes_its_preflight() {
    let server = server();
    for path in [
        "/oauth/token",
        "/mfa/associate",
        "/mfa/challenge",
        "/mfa/authenticators",
        "/mfa/recovery-codes",
        "/mfa/authenticators/email%7Cdev_0123456789abcdef",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
    ] {
        for origin in [APP, OTHER] {
            let reply = preflight(&server, path, origin);
            assert_eq!((reply.status, let_in(&reply)), (204, Some(origin)), "{path} {}", reply.text);
            assert_eq!(reply.header("access-control-allow-methods"), Some("GET, POST, PATCH, DELETE"));
            let headers = reply.header("access-control-allow-headers").unwrap().to_lowercase();
            for needed in ["authorization", "content-type", "auth0-client", "x-request-language"] {
                assert!(headers.contains(needed), "{headers}");
            }
        }
        for origin in [
            "https://evil.example",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://APP.example.com",
            "https://app.example.com/",
            "null",
            "*",
            "",
            "https://app.example.com https://evil.example",
        ] {
            let reply = preflight(&server, path, origin);
            assert_eq!((reply.status, let_in(&reply)), (403, None), "{path} {origin:?}");
        }
    }
    // Nothing else is for other origins.
    for path in ["/", "/mailbox", "/demo/info", "/metrics", "/healthz"] {
        assert_eq!(preflight(&server, path, APP).header("access-control-allow-origin"), None, "{path}");
        let reply = server.send("GET", path, &[("Origin", APP)], "");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
    // What is no preflight is no method here.
    assert_eq!(server.send("OPTIONS", "/oauth/token", &[("Origin", APP)], "").status, 405);
}

/// H16.
#[test]
fn an_answer_is_for_the_origins_of_the_client_that_asked() {
    let server = server();
    let sign_in = |client: &str, origin: &str| {
        let body = format!(
            "grant_type=password&client_id={client}&username=user%40example.com&password={}&scope=openid",
            PASSWORD.replace(' ', "+")
        );
        server.send("POST", "/oauth/token", &[FORM, ("Origin", origin)], &body)
    };
    let reply = sign_in("app", APP);
    assert_eq!((reply.error(), let_in(&reply)), ("mfa_required", Some(APP)));
    assert_eq!(
        reply.header("access-control-expose-headers"),
        Some("Retry-After, WWW-Authenticate, X-Request-Id")
    );
    for (client, origin) in [("app", OTHER), ("other", APP), ("app", "https://evil.example"), ("app", "null")]
    {
        assert_eq!(let_in(&sign_in(client, origin)), None, "{client} {origin}");
    }
    // Of a client with no origins, and of none.
    let body = "grant_type=password&client_id=demo&client_secret=demo-secret";
    let reply = server.send("POST", "/oauth/token", &[FORM, ("Origin", APP)], body);
    assert_eq!((reply.error(), let_in(&reply)), ("invalid_request", None));
    for body in ["grant_type=password", "client_id=nobody&grant_type=password", "%"] {
        let reply = server.send("POST", "/oauth/token", &[FORM, ("Origin", APP)], body);
        assert_eq!(let_in(&reply), Some(APP), "{body}");
        let reply = server.send("POST", "/oauth/token", &[FORM, ("Origin", "https://evil.example")], body);
        assert_eq!(let_in(&reply), None, "{body}");
    }
    // A token names its client, too.
    let bearer = format!("Bearer {}", reply_token(&sign_in("app", APP)));
    let list = |origin: &str| {
        server.send("GET", "/mfa/authenticators", &[("Origin", origin), ("Authorization", &bearer)], "")
    };
    let reply = list(APP);
    assert_eq!((reply.status, let_in(&reply)), (200, Some(APP)));
    let reply = list(OTHER);
    assert_eq!((reply.status, let_in(&reply)), (200, None));
    // Errors are readable where the client may read: also those of a method or a token.
    let reply =
        server.send("GET", "/mfa/authenticators", &[("Origin", APP), ("Authorization", "Bearer x")], "");
    assert_eq!((reply.status, let_in(&reply)), (401, Some(APP)));
    let reply = server.send("GET", "/oauth/token", &[("Origin", APP)], "");
    assert_eq!((reply.status, let_in(&reply)), (405, Some(APP)));
    let reply = server.send("GET", "/.well-known/jwks.json", &[("Origin", APP)], "");
    assert_eq!((reply.status, let_in(&reply)), (200, Some(APP)));
    // Without an origin nothing is said of any, but caches are told that it matters.
    assert_eq!(let_in(&server.get("/.well-known/jwks.json")), None);
    let twice = [("Origin", APP), ("Origin", "https://evil.example")];
    assert_eq!(let_in(&server.send("GET", "/.well-known/jwks.json", &twice, "")), None);
}

fn reply_token(reply: &Reply) -> String {
    reply.body["mfa_token"].as_str().unwrap().to_owned()
}

/// H16: registering and removing takes effect while the server runs.
#[test]
fn an_origin_is_let_in_as_long_as_it_is_registered() {
    let server = server();
    assert_eq!(preflight(&server, "/oauth/token", APP).status, 204);
    let removed = run(server.directory().path(), &["clients", "remove", "app"]);
    assert!(removed.status.success());
    let status = |wanted: u16| {
        eventually("the preflight's new answer", || {
            std::thread::sleep(Duration::from_millis(50));
            (preflight(&server, "/oauth/token", APP).status == wanted).then_some(())
        });
    };
    status(403);
    let set =
        run(server.directory().path(), &["clients", "set", "other", "--origin", APP, "--origin", OTHER]);
    assert!(set.status.success());
    status(204);
    let body = json!({ "client_id": "app", "grant_type": "password" }).to_string();
    let reply =
        server.send("POST", "/oauth/token", &[("Content-Type", "application/json"), ("Origin", APP)], &body);
    assert_eq!((reply.error(), let_in(&reply)), ("invalid_client", Some(APP)));
}
