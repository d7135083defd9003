//! What comes over the wire: encodings, client authentication, sizes, methods, headers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{MFA_SCOPE, OOB, PASSWORD, Server, as_demo, json, run};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const SIGN_IN: &str = "grant_type=password&username=user%40example.com&password=correct+horse+battery+staple";
const UNREADABLE: &str = "The request body cannot be read.";

#[test]
fn bodies_are_json_or_form() {
    let server = Server::start();
    server.enroll();
    let form = format!("{SIGN_IN}&client_id=demo&client_secret=demo-secret&unknown=1&unknown=2");
    for content_type in
        ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8"]
    {
        let reply = server.send("POST", "/oauth/token", &[("Content-Type", content_type)], &form);
        reply.is_refused(403, "mfa_required", "Multifactor authentication required");
    }
    let token = server.mfa_token();
    let challenge =
        format!("client_id=demo&client_secret=demo-secret&mfa_token={token}&challenge_type=oob%20otp");
    let challenged = server.send("POST", "/mfa/challenge", &[FORM], &challenge);
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    let oob_code = challenged.body["oob_code"].as_str().unwrap();
    let grant = OOB.replace(':', "%3A").replace('/', "%2F");
    let code = server.code(2);
    let answer = format!(
        "grant_type={grant}&client_id=demo&client_secret=demo-secret&mfa_token={token}&oob_code={oob_code}&binding_code={code}"
    );
    assert_eq!(server.send("POST", "/oauth/token", &[FORM], &answer).status, 200);

    let json_type = ("Content-Type", "application/json; charset=utf-8");
    let body = as_demo(
        &json!({ "grant_type": "password", "username": "user@example.com", "password": PASSWORD, "x": {} }),
    );
    assert_eq!(server.send("POST", "/oauth/token", &[json_type], &body.to_string()).error(), "mfa_required");
}

#[test]
fn bodies_that_cannot_be_read() {
    let server = Server::start();
    let twice = format!("{SIGN_IN}&client_id=demo&client_secret=demo-secret&client_secret=other");
    server.send("POST", "/oauth/token", &[FORM], &twice).is_refused(400, "invalid_request", UNREADABLE);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        r#"{"grant_type":"a","grant_type":"b"}"#,
        r#"{"grant_type":["password"]}"#,
        r#"{"binding_code":123456}"#,
    ] {
        for path in ["/oauth/token", "/mfa/challenge", "/mfa/associate"] {
            let reply = server.send("POST", path, &[JSON], body);
            // What is no parameter of an endpoint is ignored there.
            if reply.description() != UNREADABLE {
                assert!(path != "/oauth/token" && body.starts_with("{\""), "{path} {body}: {}", reply.text);
            }
            assert!(reply.status == 400 || reply.status == 401, "{path} {body}: {}", reply.text);
        }
    }
    let deep = "[".repeat(8000);
    server.send("POST", "/oauth/token", &[JSON], &deep).is_refused(400, "invalid_request", UNREADABLE);
    let description = "The content type must be application/json or application/x-www-form-urlencoded.";
    for headers in
        [&[][..], &[("Content-Type", "text/plain")], &[("Content-Type", "multipart/form-data; boundary=x")]]
    {
        server.send("POST", "/oauth/token", headers, "x").is_refused(415, "invalid_request", description);
    }
    let long = "p".repeat(4097);
    server.token(&json!({ "grant_type": "password", "username": "u", "password": long })).is_refused(
        400,
        "invalid_request",
        "A parameter is longer than 4096 bytes.",
    );
    let large = format!("{{\"x\":\"{}\"}}", "p".repeat(20_000));
    for path in ["/oauth/token", "/mfa/challenge", "/mfa/associate"] {
        server.send("POST", path, &[JSON], &large).is_refused(
            413,
            "invalid_request",
            "The request is too large.",
        );
    }
}

#[test]
fn an_empty_json_body_on_get_and_delete() {
    let server = Server::start();
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let bearer = format!("Bearer {elevated}");
    for content_type in [JSON, FORM] {
        let headers = [content_type, ("Authorization", bearer.as_str()), ("Content-Length", "0")];
        let listed = server.send("GET", "/mfa/authenticators", &headers, "");
        assert_eq!(listed.status, 200);
    }
    let id = server.list(&elevated).body[0]["id"].as_str().unwrap().replace('|', "%7c");
    let headers = [JSON, ("Authorization", bearer.as_str())];
    assert_eq!(server.send("DELETE", &format!("/mfa/authenticators/{id}"), &headers, "").status, 204);
}

#[test]
fn clients_authenticate_in_the_body_or_by_basic() {
    let server = Server::start();
    let directory = server.directory();
    let secret = run(directory.path(), &["add-client", "a client:with%odd+name"]);
    assert!(secret.status.success());
    let secret = String::from_utf8(secret.stdout).unwrap();
    let basic = |text: String| format!("Basic {}", STANDARD.encode(text));
    let send = |authorization: &str, body: &str| {
        server.send("POST", "/oauth/token", &[FORM, ("Authorization", authorization)], body)
    };
    let demo = basic("demo:demo-secret".to_owned());
    assert_eq!(send(&demo, SIGN_IN).error(), "mfa_required");
    assert_eq!(send(&demo.replace("Basic", "basic"), SIGN_IN).error(), "mfa_required");
    assert_eq!(send(&demo, &format!("{SIGN_IN}&client_id=demo")).error(), "mfa_required");
    // Name and secret are form-encoded before they are joined.
    let odd = basic(format!("a+client%3Awith%25odd%2Bname:{}", secret.trim()));
    assert_eq!(send(&odd, SIGN_IN).error(), "mfa_required");
    // An MFA grant takes it, too.
    let token = server.mfa_token();
    let reply = server.send(
        "POST",
        "/mfa/challenge",
        &[JSON, ("Authorization", demo.as_str())],
        &json!({ "mfa_token": token }).to_string(),
    );
    assert_eq!(reply.error(), "association_required");

    for bad in [
        basic("demo:wrong".to_owned()),
        basic("nobody:x".to_owned()),
        basic("demo".to_owned()),
        "Basic ???".to_owned(),
    ] {
        let reply = send(&bad, SIGN_IN);
        reply.is_refused(401, "invalid_client", "Client authentication failed.");
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"countersign\""));
    }
    let description = "The client authenticated in more than one way.";
    send(&demo, &format!("{SIGN_IN}&client_secret=demo-secret")).is_refused(
        400,
        "invalid_request",
        description,
    );
    send(&demo, &format!("{SIGN_IN}&client_id=other")).is_refused(
        400,
        "invalid_request",
        "The client gave two names.",
    );

    // To enroll, the bearer token is enough; a client that names itself must prove it.
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "client_id": "demo", "client_secret": "wrong" });
    server.post_as("/mfa/associate", &token, &body).is_refused(
        401,
        "invalid_client",
        "Client authentication failed.",
    );
    let body = as_demo(&json!({ "authentication_types": ["oob"], "oob_channels": ["email"] }));
    assert_eq!(server.post_as("/mfa/associate", &token, &body).status, 200, "and the misspelt parameter");
    server.code(1);
    assert_eq!(server.codes()[0].0, "user@example.com", "the user's own address");
}

#[test]
fn methods_and_paths_that_are_not_there() {
    let server = Server::start();
    for (method, path, allow) in [
        ("GET", "/oauth/token", "POST"),
        ("PUT", "/oauth/token", "POST"),
        ("DELETE", "/mfa/associate", "POST"),
        ("GET", "/mfa/challenge", "POST"),
        ("POST", "/mfa/authenticators", "GET,HEAD"),
        ("GET", "/mfa/authenticators/x", "PATCH,DELETE"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let reply = server.send(method, path, &[], "");
        reply.is_refused(405, "invalid_request", "The method is not allowed here.");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    for path in ["/nothing", "/mfa", "/mfa/authenticators/a/b", "/.env", "/oauth/token/"] {
        server.get(path).is_refused(404, "not_found", "There is nothing here.");
    }
    let bad_query = server.get("/demo/state");
    assert_eq!(
        (bad_query.status, bad_query.header("content-type")),
        (400, Some("application/json")),
        "{}",
        bad_query.text
    );
}

#[test]
fn every_answer_is_hardened() {
    let server = Server::start();
    for path in ["/", "/healthz", "/nothing", "/mailbox", "/.well-known/jwks.json", "/metrics"] {
        let reply = server.get(path);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("strict-transport-security"), None);
    }
    let page = server.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("style-src 'self';"), "{policy}");
    let https = Server::with(&["--issuer", "https://mfa.example.com"]);
    assert!(https.get("/healthz").header("strict-transport-security").is_some());
    let discovery = https.get("/.well-known/openid-configuration").body;
    assert_eq!(discovery["issuer"], "https://mfa.example.com/");
    assert_eq!(discovery["token_endpoint"], "https://mfa.example.com/oauth/token");
}

#[test]
fn what_is_no_http_is_answered_or_cut_and_the_server_lives_on() {
    let server = Server::start();
    for garbage in [
        "GET\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "POST /oauth/token HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(garbage.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(server.get("/healthz").body, json!({ "status": "ok" }));
}
