//! Clients and their tokens: what a client is not registered for is refused, and no token is taken for another.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use common::{MFA_SCOPE, OOB, PASSWORD, RECOVERY, Reply, Server, Value, as_demo, claims, json, run};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const API: &str = "https://api.example.com/";
const OTHER_API: &str = "https://payments.internal/";
const BAD_BEARER: &str = "The mfa_token provided is invalid. Try getting a new token.";

/// Runs a command that works, beside the server.
fn told(server: &Server, arguments: &[&str]) -> String {
    let output = run(server.directory().path(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs a command that does not, and what it says.
fn complaint(server: &Server, arguments: &[&str]) -> String {
    let output = run(server.directory().path(), arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The first factor of a public client, with more.
fn sign_in(server: &Server, client_id: &str, more: &Value) -> Reply {
    let mut body = json!({
        "grant_type": "password", "client_id": client_id, "username": "user@example.com", "password": PASSWORD,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.post("/oauth/token", &body)
}

/// Both factors of a public client, with more at either: the last answer.
fn both_factors(server: &Server, client_id: &str, first: &Value, second: &Value) -> Reply {
    let mails = server.codes().len();
    let token = sign_in(server, client_id, first).body["mfa_token"].clone();
    let challenged = server.post("/mfa/challenge", &json!({ "client_id": client_id, "mfa_token": token }));
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    let mut body = json!({
        "grant_type": OOB, "client_id": client_id, "mfa_token": token,
        "oob_code": challenged.body["oob_code"], "binding_code": server.code(mails + 1),
    });
    for (name, value) in second.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.post("/oauth/token", &body)
}

/// H1.
#[test]
fn what_is_not_registered_is_refused_before_the_password() {
    let server = Server::start();
    told(&server, &["clients", "add", "native", "--public"]);
    told(&server, &["clients", "add", "codes-only", "--public", "--grant", "mfa-oob", "--scope", ""]);
    for password in [PASSWORD, "not the password"] {
        let ask = |client: &str, more: &Value| {
            let mut more = more.clone();
            more["password"] = json!(password);
            sign_in(&server, client, &more)
        };
        let unregistered = "The audience is not registered for the client.";
        for audience in [OTHER_API, "demo", "native", "x", &server.issuer(), "https://payments.internal", "*"]
        {
            let reply = ask("native", &json!({ "audience": audience }));
            reply.is_refused(400, "invalid_target", unregistered);
        }
        let reply = ask("native", &json!({ "audience": format!("https://{}/", "a".repeat(255)) }));
        reply.is_refused(400, "invalid_target", "The audience is longer than 255 bytes.");
        let reply = ask("native", &json!({ "audience": "https://a\u{0}b/" }));
        reply.is_refused(400, "invalid_target", "The audience is invalid.");
        for (scope, word) in [
            ("admin:all", "admin:all"),
            ("openid  admin:all", "admin:all"),
            ("OPENID", "OPENID"),
            ("openid offline_access_x", "offline_access_x"),
        ] {
            let description = format!("The scope is not registered for the client: {word}");
            ask("native", &json!({ "scope": scope })).is_refused(400, "invalid_scope", &description);
        }
        let word = "The scope has a word that is not registered for the client.";
        for scope in ["openid\tadmin", "\u{1f511}", "op\u{0435}nid", &"x".repeat(200)] {
            let reply = ask("native", &json!({ "scope": scope }));
            assert_eq!((reply.status, reply.error()), (400, "invalid_scope"), "{scope:?}");
            assert!([word, "The scope is invalid."].contains(&reply.description()), "{}", reply.text);
        }
        let reply = ask("codes-only", &json!({}));
        reply.is_refused(403, "unauthorized_client", "Grant type not allowed for the client.");
        let realm = json!({ "grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": "x" });
        let reply = ask("codes-only", &realm);
        reply.is_refused(403, "unauthorized_client", "Grant type not allowed for the client.");
    }
    // Without the scopes of the MFA API its audience is nobody's, and other grants are as closed as this one.
    let recovery =
        json!({ "grant_type": RECOVERY, "client_id": "codes-only", "mfa_token": "x", "recovery_code": "x" });
    assert_eq!(server.post("/oauth/token", &recovery).error(), "unauthorized_client");
    told(&server, &["clients", "set", "codes-only", "--grant", "password", "--scope", "openid"]);
    let reply = sign_in(&server, "codes-only", &json!({ "audience": server.mfa_audience() }));
    assert_eq!(reply.error(), "invalid_target");
    let reply = sign_in(&server, "codes-only", &json!({ "scope": "openid offline_access" }));
    let token = reply.body["mfa_token"].as_str().unwrap();
    let enroll = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] });
    assert_eq!(server.post_as("/mfa/associate", token, &enroll).error(), "unauthorized_client");
    let challenge = json!({ "client_id": "codes-only", "mfa_token": token });
    assert_eq!(server.post("/mfa/challenge", &challenge).error(), "unauthorized_client");
    assert!(server.codes().is_empty());
}

/// H1.
#[test]
fn an_access_token_has_the_claims_of_the_standard() {
    let server = Server::start();
    server.enroll();
    told(
        &server,
        &[
            "clients",
            "add",
            "shop",
            "--public",
            "--audience",
            API,
            "--scope",
            "openid email api:read api:write",
        ],
    );
    let asked = json!({ "audience": API, "scope": "openid api:read" });
    let reply = both_factors(&server, "shop", &asked, &json!({}));
    assert_eq!(
        (reply.status, reply.body["scope"].as_str()),
        (200, Some("openid api:read")),
        "{}",
        reply.text
    );
    let (header, access) = claims(&reply.body["access_token"]);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    assert_eq!(access["iss"], server.issuer());
    assert_eq!((&access["aud"], &access["client_id"]), (&json!(API), &json!("shop")));
    assert_eq!(access["scope"], "openid api:read");
    assert!(
        access["sub"].as_str().unwrap().starts_with("usr_") && access["jti"].as_str().unwrap().len() > 15
    );
    let time = |claim: &str| access[claim].as_i64().unwrap();
    assert!(time("iat") >= time("auth_time") && time("exp") > time("iat"));
    assert_eq!(access["amr"].as_array().unwrap().last(), Some(&json!("mfa")));
    let (header, id) = claims(&reply.body["id_token"]);
    assert_ne!(header["typ"], "at+jwt");
    assert_eq!((&id["aud"], &id["sub"]), (&json!("shop"), &access["sub"]));
    assert_eq!(id.get("scope").or(id.get("client_id")), None);
    // Less scope may be asked for with the code. More than with the password is not given, and the answer says so.
    let less = json!({ "scope": "api:read api:write" });
    let reply = both_factors(&server, "shop", &asked, &less);
    assert_eq!(reply.body["scope"], "api:read");
    assert_eq!(reply.body.get("id_token"), None);
}

/// H1.
#[test]
fn a_token_without_an_audience_is_for_the_one_api_or_for_none() {
    let server = Server::start();
    server.enroll();
    let own = format!("{}userinfo", server.issuer());
    told(&server, &["clients", "add", "none", "--public"]);
    told(&server, &["clients", "add", "one", "--public", "--audience", API]);
    told(&server, &["clients", "add", "two", "--public", "--audience", API, "--audience", OTHER_API]);
    told(&server, &["clients", "add", "mfa", "--public", "--audience", &server.mfa_audience()]);
    for (client, audience) in [("none", &*own), ("one", API), ("two", &own), ("mfa", &own)] {
        let reply = both_factors(&server, client, &json!({ "scope": "openid" }), &json!({}));
        let (_, access) = claims(&reply.body["access_token"]);
        assert_eq!(access["aud"], audience, "{client}");
        // The same asked for by name is the same.
        let named = json!({ "scope": "openid", "audience": audience });
        let reply = both_factors(&server, client, &named, &named);
        assert_eq!(claims(&reply.body["access_token"]).1["aud"], audience, "{client}: {}", reply.text);
    }
}

/// H18, H1: and a code that came with such a request is not used up.
#[test]
fn a_second_factor_reaches_no_other_api() {
    let server = Server::start();
    let (_, recovery_codes) = server.enroll();
    told(&server, &["clients", "add", "shop", "--public", "--audience", API, "--audience", OTHER_API]);
    let token =
        sign_in(&server, "shop", &json!({ "audience": API, "scope": "openid" })).body["mfa_token"].clone();
    let challenged = server.post("/mfa/challenge", &json!({ "client_id": "shop", "mfa_token": token }));
    let code = server.code(2);
    let ask = |audience: &str, scope: &str| {
        server.post("/oauth/token", &json!({
            "grant_type": OOB, "client_id": "shop", "mfa_token": token, "audience": audience, "scope": scope,
            "oob_code": challenged.body["oob_code"], "binding_code": code,
        }))
    };
    let unregistered = "The audience is not registered for the client.";
    ask("https://elsewhere.example/", "openid").is_refused(400, "invalid_target", unregistered);
    ask("demo", "openid").is_refused(400, "invalid_target", unregistered);
    ask("shop", "openid").is_refused(400, "invalid_target", unregistered);
    let description = "The scope is not registered for the client: admin:all";
    ask(API, "openid admin:all").is_refused(400, "invalid_scope", description);
    assert_eq!(ask(API, "openid").status, 200);
    // An API that is registered, and that the password was not for.
    let (first, second) = (json!({ "audience": API }), json!({ "audience": OTHER_API }));
    let other = "The audience is not the one that the first factor was for. Sign in again.";
    both_factors(&server, "shop", &first, &second).is_refused(400, "invalid_target", other);
    both_factors(&server, "shop", &json!({}), &second).is_refused(400, "invalid_target", other);
    // The same with a recovery code.
    let token = sign_in(&server, "shop", &first).body["mfa_token"].clone();
    let recover = |audience: &str| {
        server.post(
            "/oauth/token",
            &json!({
                "grant_type": RECOVERY, "client_id": "shop", "mfa_token": token, "audience": audience,
                "recovery_code": recovery_codes[0],
            }),
        )
    };
    recover("https://elsewhere.example/").is_refused(400, "invalid_target", unregistered);
    assert_eq!(recover(API).status, 200);
}

/// What was withdrawn from a client between the two factors is not in the token.
#[test]
fn a_registration_counts_again_when_the_token_is_issued() {
    let server = Server::start();
    server.enroll();
    let scope = "openid email admin enroll";
    told(&server, &["clients", "add", "shop", "--public", "--audience", API, "--scope", scope]);
    let first = json!({ "audience": API, "scope": "openid email admin" });
    let begun = || {
        let mails = server.codes().len();
        let token = sign_in(&server, "shop", &first).body["mfa_token"].clone();
        let challenged = server.post("/mfa/challenge", &json!({ "client_id": "shop", "mfa_token": token }));
        json!({
            "grant_type": OOB, "client_id": "shop", "mfa_token": token,
            "oob_code": challenged.body["oob_code"], "binding_code": server.code(mails + 1),
        })
    };
    let answer = begun();
    told(&server, &["clients", "set", "shop", "--scope", "openid enroll"]);
    let narrowed = server.post("/oauth/token", &answer);
    assert_eq!((narrowed.status, &narrowed.body["scope"]), (200, &json!("openid")), "{}", narrowed.text);
    told(&server, &["clients", "set", "shop", "--scope", scope]);
    let answer = begun();
    told(&server, &["clients", "set", "shop", "--clear", "audience"]);
    let gone = "The audience is not registered for the client.";
    server.post("/oauth/token", &answer).is_refused(400, "invalid_target", gone);
}

/// What a relying party does with an id_token (OpenID Connect Core section 3.1.3.7), and what an API does with an
/// access token (RFC 9068 section 4), but for its type.
fn passes(server: &Server, token: &Value, audience: &str) -> bool {
    let jwks: JwkSet = serde_json::from_value(server.get("/.well-known/jwks.json").body).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[server.issuer()]);
    validation.set_audience(&[audience]);
    let key = DecodingKey::from_jwk(&jwks.keys[0]).unwrap();
    decode::<Value>(token.as_str().unwrap(), &key, &validation).is_ok()
}

/// H1.
#[test]
fn an_id_token_and_an_access_token_are_not_taken_for_each_other() {
    let server = Server::start();
    let (signed_in, _) = server.enroll();
    let (id, access) = (&signed_in["id_token"], &signed_in["access_token"]);
    let own = format!("{}userinfo", server.issuer());
    assert!(passes(&server, id, "demo") && passes(&server, access, &own));
    // The access token in the place of the id_token of any client, and the other way round.
    for client in ["demo", "native"] {
        assert!(!passes(&server, access, client));
    }
    for audience in [own.as_str(), &server.issuer(), &server.mfa_audience()] {
        assert!(!passes(&server, id, audience));
    }
    // At the server itself.
    for token in [id, access] {
        let token = token.as_str().unwrap();
        server.list(token).is_refused(401, "invalid_grant", BAD_BEARER);
        server.associate(token, "b@example.com").is_refused(401, "invalid_grant", BAD_BEARER);
        server.challenge(token).is_refused(403, "invalid_grant", "Malformed mfa_token");
        server.answer(token, &json!("x"), "123456").is_refused(403, "invalid_grant", "Malformed mfa_token");
    }
    let elevated = server.elevated(MFA_SCOPE);
    assert_eq!(server.list(&elevated).status, 200);
    assert!(!passes(&server, &json!(elevated), "demo"));
}

/// H1: a token whose header says something else than the server wrote.
#[test]
fn a_token_with_an_edited_header_or_claim_is_refused() {
    let server = Server::start();
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let [header, payload, signature] = elevated.split('.').collect::<Vec<_>>()[..] else {
        panic!("{elevated}")
    };
    let edited = |part: &str, name: &str, value: Value| {
        let mut read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        read[name] = value;
        URL_SAFE_NO_PAD.encode(read.to_string())
    };
    let mut forged = Vec::new();
    for algorithm in ["none", "None", "HS256", "RS512", "PS256", "ES256"] {
        let header = edited(header, "alg", json!(algorithm));
        forged.push(format!("{header}.{payload}.{signature}"));
        forged.push(format!("{header}.{payload}."));
    }
    for kid in [json!("other"), json!(""), json!("../../etc/passwd"), Value::Null, json!(1)] {
        forged.push(format!("{}.{payload}.{signature}", edited(header, "kid", kid)));
    }
    for typ in [json!("JWT"), json!("at+JWT"), json!(""), Value::Null] {
        forged.push(format!("{}.{payload}.{signature}", edited(header, "typ", typ)));
    }
    for (name, value) in [
        ("client_id", json!("native")),
        ("aud", json!([server.mfa_audience(), "demo"])),
        ("exp", json!(i64::MAX)),
        ("sub", json!("usr_1")),
        ("scope", json!("enroll")),
    ] {
        forged.push(format!("{header}.{}.{signature}", edited(payload, name, value)));
    }
    forged.extend([format!("{elevated}."), format!(".{elevated}"), "..".to_owned(), ".".to_owned()]);
    for token in forged {
        server.list(&token).is_refused(401, "invalid_grant", BAD_BEARER);
    }
    assert_eq!(server.list(&elevated).status, 200);
}

/// H17.
#[test]
fn a_refused_bearer_token_is_answered_with_its_challenge() {
    let server = Server::start();
    server.enroll();
    let reading = server.elevated("read:authenticators");
    let body = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"] }).to_string();
    let (missing, invalid) =
        ("Bearer realm=\"countersign\"", "Bearer realm=\"countersign\", error=\"invalid_token\"");
    let id = "email%7Cdev_0123456789abcdef";
    for (method, path, scope) in [
        ("GET", "/mfa/authenticators".to_owned(), "read:authenticators"),
        ("POST", "/mfa/associate".to_owned(), "enroll"),
        ("DELETE", format!("/mfa/authenticators/{id}"), "remove:authenticators"),
        ("PATCH", format!("/mfa/authenticators/{id}"), "enroll"),
    ] {
        let ask = |authorization: Option<&str>| {
            let headers: Vec<_> =
                authorization.iter().map(|value| ("Authorization", *value)).chain([JSON]).collect();
            let body = match method {
                "POST" => &body,
                "PATCH" => r#"{"name":"x"}"#,
                _ => "",
            };
            server.send(method, &path, &headers, body)
        };
        for (authorization, challenge) in [
            (None, missing),
            (Some("Digest x"), missing),
            (Some("Bearer x"), invalid),
            (Some("bearer a.b.c"), invalid),
        ] {
            let reply = ask(authorization);
            reply.is_refused(401, "invalid_grant", BAD_BEARER);
            assert_eq!(reply.header("www-authenticate"), Some(challenge), "{path} {authorization:?}");
        }
        if scope != "read:authenticators" {
            let reply = ask(Some(&format!("Bearer {reading}")));
            reply.is_refused(403, "insufficient_scope", &format!("Insufficient scope, expected: {scope}"));
            let challenge =
                format!("Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"{scope}\"");
            assert_eq!(reply.header("www-authenticate"), Some(&*challenge));
        }
    }
    // A client that is refused there gets a challenge, too. At the token endpoint libraries lose the error by it.
    let wrong =
        json!({ "client_id": "demo", "client_secret": "x", "mfa_token": "x", "grant_type": "password" });
    let reply = server.post("/mfa/challenge", &wrong);
    reply.is_refused(401, "invalid_client", "Client authentication failed.");
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"countersign\""));
    let reply = server.post("/oauth/token", &wrong);
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, None));
    let twice = [("Authorization", "Bearer x"), ("Authorization", "Bearer y")];
    let description = "There is more than one Authorization header.";
    server.send("GET", "/mfa/authenticators", &twice, "").is_refused(400, "invalid_request", description);
}

/// H18.
#[test]
fn a_public_client_may_say_its_empty_secret() {
    let server = Server::start();
    told(&server, &["clients", "add", "native", "--public"]);
    let form =
        format!("grant_type=password&username=user%40example.com&password={}", PASSWORD.replace(' ', "+"));
    let ask = |credentials: &str, more: &str| {
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        server.send("POST", "/oauth/token", &[FORM, ("Authorization", &basic)], &format!("{form}{more}"))
    };
    assert_eq!(ask("native:", "").error(), "mfa_required");
    assert_eq!(ask("native:", "&client_id=native").error(), "mfa_required");
    for (credentials, more) in [("demo:", ""), ("native:x", ""), ("native", ""), (":", "")] {
        let reply = ask(credentials, more);
        reply.is_refused(401, "invalid_client", "Client authentication failed.");
        assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"countersign\""));
    }
    let body = format!("{form}&client_id=native&client_secret=");
    assert_eq!(server.send("POST", "/oauth/token", &[FORM], &body).error(), "mfa_required");
}

/// H18.
#[test]
fn the_grant_that_names_a_realm_is_taken() {
    let server = Server::start();
    let ask = |password: &str| {
        server.token(&json!({
            "grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": "Username-Password-Authentication",
            "username": "user@example.com", "password": password, "scope": "openid",
        }))
    };
    assert_eq!(ask(PASSWORD).error(), "mfa_required");
    ask("wrong").is_refused(403, "invalid_grant", "Wrong email or password.");
    let body = json!({ "grant_type": "http://auth0.com/oauth/grant-type/password-realm", "username": "x" });
    server.token(&body).is_refused(400, "invalid_request", "Missing required parameter: password");
    let known = &server.get("/.well-known/openid-configuration").body["grant_types_supported"];
    assert!(known.as_array().unwrap().contains(&json!("http://auth0.com/oauth/grant-type/password-realm")));
}

/// H18.
#[test]
fn a_scope_that_is_too_long_is_told_its_bound() {
    let server = Server::start();
    let ask = |scope: &str| sign_in(&server, "native", &json!({ "scope": scope }));
    told(&server, &["clients", "add", "native", "--public"]);
    let fits = "openid ".repeat(146) + "a2";
    assert_eq!(fits.len(), 1024);
    assert_eq!(ask(&fits).description(), "The scope is not registered for the client: a2");
    ask(&format!("{fits}a")).is_refused(400, "invalid_scope", "The scope is longer than 1024 bytes.");
    assert_eq!(ask(&"openid ".repeat(146)).error(), "mfa_required");
    let body = json!({ "grant_type": "password", "client_id": "native", "scope": "x".repeat(4097) });
    let description = "A parameter is longer than 4096 bytes.";
    server.post("/oauth/token", &body).is_refused(400, "invalid_request", description);
    let form = format!("grant_type=password&client_id=native&scope={}", "x".repeat(4097));
    server.send("POST", "/oauth/token", &[FORM], &form).is_refused(400, "invalid_request", description);
}

/// H18.
#[test]
fn a_packed_body_is_refused_as_such() {
    let server = Server::start();
    let body = as_demo(&json!({ "grant_type": "password" })).to_string();
    for path in ["/oauth/token", "/mfa/challenge", "/mfa/associate"] {
        for coding in ["gzip", "br", "deflate, identity", "x", ""] {
            let reply = server.send("POST", path, &[JSON, ("Content-Encoding", coding)], &body);
            reply.is_refused(415, "invalid_request", "The content encoding must be identity.");
            assert_eq!(reply.header("accept-encoding"), Some("identity"));
        }
        let reply = server.send("POST", path, &[JSON, ("Content-Encoding", "identity")], &body);
        assert_ne!(reply.status, 415, "{path}");
    }
}

/// H1: what a client has ends with its registration.
#[test]
fn a_removed_client_and_its_tokens_are_refused() {
    let server = Server::start();
    server.enroll();
    told(&server, &["add-client", "shop", "--public"]);
    let asked = json!({ "audience": server.mfa_audience(), "scope": MFA_SCOPE });
    let elevated = both_factors(&server, "shop", &asked, &json!({})).body["access_token"].clone();
    let elevated = elevated.as_str().unwrap();
    let mfa_token = sign_in(&server, "shop", &json!({})).body["mfa_token"].clone();
    let mfa_token = mfa_token.as_str().unwrap();
    assert_eq!((server.list(elevated).status, server.list(mfa_token).status), (200, 200));
    // A scope that was withdrawn is withdrawn from tokens that are out, too.
    told(&server, &["clients", "set", "shop", "--scope", "enroll"]);
    assert_eq!(server.list(elevated).error(), "insufficient_scope");
    told(&server, &["remove-client", "shop"]);
    for token in [elevated, mfa_token] {
        server.list(token).is_refused(401, "invalid_grant", BAD_BEARER);
        server.associate(token, "b@example.com").is_refused(401, "invalid_grant", BAD_BEARER);
        server.remove(token, "email%7Cdev_0123456789abcdef").is_refused(401, "invalid_grant", BAD_BEARER);
    }
    assert_eq!(sign_in(&server, "shop", &json!({})).error(), "invalid_client");
    assert!(complaint(&server, &["clients", "remove", "shop"]).contains("there is no client \"shop\""));
}

/// H1.
#[test]
fn registrations_are_checked_and_shown() {
    let server = Server::start();
    let add = |more: &[&str]| complaint(&server, &[&["clients", "add", "shop"], more].concat());
    for audience in ["demo", "native", "api.example.com", "https://api.example.com/#x", "/v1", ""] {
        assert!(add(&["--audience", audience]).contains("is not an audience"), "{audience}");
    }
    for origin in ["*", "null", "https://*.example.com", "https://app.example.com/x", "app.example.com"] {
        assert!(add(&["--origin", origin]).contains("is not an origin"), "{origin}");
    }
    assert!(add(&["--grant", "client_credentials"]).contains("is not a grant of this server"));
    assert!(add(&["--scope", "a\"b"]).contains("is not a word of a scope"));
    let named_like_an_api = complaint(&server, &["clients", "add", API, "--public"]);
    assert!(named_like_an_api.contains("choose a plain name"), "{named_like_an_api}");
    let many: Vec<_> = (0..65).map(|number| format!("--audience=https://api{number}.example/")).collect();
    assert!(add(&many.iter().map(String::as_str).collect::<Vec<_>>()).contains("at most 64"));
    assert!(complaint(&server, &["clients", "show", "shop"]).contains("there is no client"));

    let secret = told(
        &server,
        &[
            "clients",
            "add",
            "shop",
            "--audience",
            API,
            "--scope",
            "openid api:read",
            "--origin",
            "https://shop.example/",
            "--grant",
            "password",
            "--grant",
            "http://auth0.com/oauth/grant-type/mfa-oob",
            "--grant",
            "password",
        ],
    );
    let expected = json!({
        "client_id": "shop", "public": false, "grants": ["password", "mfa-oob"], "audiences": [API],
        "scopes": ["openid", "api:read"], "origins": ["https://shop.example"],
    });
    let show =
        || serde_json::from_str::<Value>(&told(&server, &["clients", "show", "shop", "--json"])).unwrap();
    assert_eq!(show(), expected);
    let shown = told(&server, &["clients", "show", "shop"]);
    assert!(shown.contains(API) && shown.contains("confidential") && !shown.contains(&secret), "{shown}");
    let list: Value = serde_json::from_str(&told(&server, &["clients", "list", "--json"])).unwrap();
    assert_eq!(
        list["clients"].as_array().unwrap().iter().map(|client| &client["client_id"]).collect::<Vec<_>>(),
        ["demo", "shop"]
    );
    assert!(told(&server, &["clients", "list"]).contains("https://shop.example"));
    assert!(complaint(&server, &["clients", "add", "shop"]).contains("is there already"));

    // A change leaves alone what it does not name, the secret as well.
    told(&server, &["clients", "set", "shop", "--clear", "origin", "--scope", "openid"]);
    let mut changed = expected;
    changed["origins"] = json!([]);
    changed["scopes"] = json!(["openid"]);
    assert_eq!(show(), changed);
    let with =
        |secret: &str| sign_in(&server, "shop", &json!({ "client_secret": secret })).error().to_owned();
    assert_eq!(with(&secret), "mfa_required");
    let renewed: Value =
        serde_json::from_str(&told(&server, &["clients", "set", "shop", "--new-secret", "--json"])).unwrap();
    assert_eq!(with(&secret), "invalid_client");
    assert_eq!(with(renewed["client_secret"].as_str().unwrap()), "mfa_required");
    assert!(complaint(&server, &["clients", "set", "nobody"]).contains("there is no client"));
}
