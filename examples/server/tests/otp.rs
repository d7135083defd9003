//! Authenticator apps: from the QR code to the token, what is refused, and who may.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::{MFA_SCOPE, OTP, PASSWORD, Reply, Server, Value, as_demo, claims, eventually, json};
use totp_rs::Totp;

/// A person's app, by another implementation: it reads the content of the QR code.
struct App(Totp);

impl App {
    fn scan(associated: &Reply) -> Self {
        let totp = Totp::from_url(associated.body["barcode_uri"].as_str().unwrap()).unwrap();
        Self(totp)
    }

    /// The code that the app shows so many steps from now.
    fn code(&self, steps: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.0.generate(now + 30 * steps).to_string()
    }

    /// A code that is none of those around now.
    fn wrong(&self) -> String {
        let near: Vec<_> = (0..4).map(|step| self.code(step)).collect();
        (0_u32..).map(|n| format!("{n:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

fn associate(server: &Server, token: &str) -> Reply {
    server.post_as("/mfa/associate", token, &json!({ "authenticator_types": ["otp"] }))
}

fn present(server: &Server, mfa_token: &str, otp: &str) -> Reply {
    server.token(&json!({ "grant_type": OTP, "mfa_token": mfa_token, "otp": otp }))
}

/// A server whose policy takes the next code as well, so that nobody has to wait for it.
fn server() -> Server {
    Server::with(&["--policy", "auth0", "--service-name", "Example: Shop"])
}

#[test]
fn an_app_is_enrolled_by_its_qr_code_and_signs_in() {
    let server = server();
    let reply = server.sign_in();
    let types = &reply.body["mfa_requirements"]["enroll"];
    assert_eq!(*types, json!([{ "type": "email" }, { "type": "otp" }]));
    let token = reply.body["mfa_token"].as_str().unwrap().to_owned();
    let associated = associate(&server, &token);
    assert_eq!(associated.status, 200, "{}", associated.text);
    let body = &associated.body;
    assert_eq!(body["authenticator_type"], "otp");
    assert_eq!(body["secret"].as_str().unwrap().len(), 32);
    let uri = body["barcode_uri"].as_str().unwrap();
    // A colon in the service's name would end it in the label.
    assert!(uri.starts_with("otpauth://totp/Example%20%20Shop:user@example.com?secret="), "{uri}");
    assert!(uri.contains(body["secret"].as_str().unwrap()));
    for absent in ["oob_code", "oob_channel", "binding_method", "resend_in"] {
        assert!(body.get(absent).is_none(), "{absent}");
    }
    assert_eq!(body["recovery_codes"].as_array().unwrap().len(), 1);
    assert!(server.codes().is_empty(), "nothing is sent");

    let app = App::scan(&associated);
    let confirmed = present(&server, &token, &app.code(0));
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let (_, signed) = claims(&confirmed.body["access_token"]);
    assert_eq!(signed["amr"], json!(["pwd", "otp", "mfa"]), "{signed}");
    server.expect_audit("verify_otp");
    let mail = eventually("a notice", || {
        let mailbox = server.get("/mailbox").body;
        mailbox.as_array().unwrap().iter().map(|mail| mail["subject"].clone()).next()
    });
    assert_eq!(mail, "An authenticator app was added to your account");

    // Challenged by what the user has: nothing is sent, and the code is taken once.
    let reply = server.sign_in();
    let types = &reply.body["mfa_requirements"]["challenge"];
    assert_eq!(*types, json!([{ "type": "recovery-code" }, { "type": "otp" }]));
    let token = reply.body["mfa_token"].as_str().unwrap();
    let challenged = server.post("/mfa/challenge", &as_demo(&json!({ "mfa_token": token })));
    assert_eq!(challenged.body["challenge_type"], "otp", "{}", challenged.text);
    assert!(challenged.body.get("oob_code").is_none() && challenged.body.get("binding_method").is_none());
    let code = app.code(1);
    assert_eq!(present(&server, token, &code).status, 200);
    let token = server.mfa_token();
    present(&server, &token, &code).is_refused(403, "invalid_grant", "Invalid otp_code.");
    for (name, secret) in [("the secret", body["secret"].as_str().unwrap()), ("a code", code.as_str())] {
        assert!(!server.log_mentions(secret), "{name} is in the log");
    }
}

#[test]
fn a_code_of_an_app_has_the_device_remembered() {
    let server = server();
    let token = server.mfa_token();
    let app = App::scan(&associate(&server, &token));
    let present = |mfa_token: &str, otp: &str, headers: &[(&str, &str)]| {
        let body = json!({ "grant_type": OTP, "mfa_token": mfa_token, "otp": otp, "remember_device": true });
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        server.send("POST", "/oauth/token", &headers, &as_demo(&body).to_string())
    };
    let reply = present(&token, &app.code(0), &[]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("set-cookie"), None);
    let device = reply.body["device_token"].as_str().unwrap().to_owned();
    let body = json!({
        "grant_type": "password", "username": "user@example.com", "password": PASSWORD, "device_token": device,
    });
    let asked = server.token(&body);
    assert_eq!(asked.body["remembered_device"], true, "{}", asked.text);
    // A page of this origin gets a cookie instead.
    let reply = present(&server.mfa_token(), &app.code(1), &[("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.header("set-cookie").unwrap().starts_with("countersign-device-"));
    assert_eq!(reply.body.get("device_token"), None);
}

#[test]
fn wrong_codes_are_counted_and_malformed_ones_are_not() {
    let server = server();
    let token = server.mfa_token();
    let app = App::scan(&associate(&server, &token));
    for malformed in ["12345", "123456789", "abcdef", "1234567", "12345678"] {
        let refused = present(&server, &token, malformed);
        refused.is_refused(403, "invalid_grant", "Invalid otp_code.");
        assert_eq!(refused.body.get("attempts_left"), None, "{malformed}");
    }
    for left in [9, 8] {
        let refused = present(&server, &token, &app.wrong());
        refused.is_refused(403, "invalid_grant", "Invalid otp_code.");
        assert_eq!(refused.body["attempts_left"], left);
    }
    assert_eq!(present(&server, &token, &app.code(0)).status, 200);
}

#[test]
fn an_owner_adds_a_second_app_and_names_the_one_that_is_meant() {
    let server = server();
    server.enroll();
    let elevated = server.elevated(MFA_SCOPE);
    let mut apps = Vec::new();
    for _ in 0..2 {
        let associated = associate(&server, &elevated);
        assert!(associated.body.get("recovery_codes").is_none());
        let app = App::scan(&associated);
        let confirmed = present(&server, &elevated, &app.code(0));
        assert_eq!(confirmed.status, 200, "{}", confirmed.text);
        assert_eq!(confirmed.body["access_token"], elevated, "no more than the token that was shown");
        apps.push(app);
    }
    let listed = server.list(&elevated).body;
    let rows: Vec<_> = listed.as_array().unwrap().iter().filter(|row| row["type"] == "otp").collect();
    assert_eq!(rows.len(), 2, "{listed}");
    for row in &rows {
        assert_eq!((&row["authenticator_type"], &row["active"]), (&json!("otp"), &json!(true)));
        assert!(row["id"].as_str().unwrap().starts_with("totp|dev_"));
        assert_eq!((&row["state"], &row["removable"]), (&json!("active"), &json!(true)));
        assert!(row.get("name").is_none() && row.get("email").is_none() && row.get("oob_channel").is_none());
    }
    let token = server.mfa_token();
    present(&server, &token, &apps[1].code(1)).is_refused(
        400,
        "invalid_request",
        "Missing required parameter: authenticator_id",
    );
    let named = |id: &Value, otp: &str| {
        let body = json!({ "grant_type": OTP, "mfa_token": token, "otp": otp, "authenticator_id": id });
        server.token(&body)
    };
    let unknown = named(&json!("totp|dev_0000000000000000"), "123456");
    unknown.is_refused(400, "invalid_authenticator", "The authenticator was not found.");
    named(&json!("x"), "123456").is_refused(400, "invalid_authenticator", "The authenticator was not found.");
    assert_eq!(named(&rows[1]["id"], &apps[1].code(1)).status, 200);
    assert_eq!(server.remove(&elevated, rows[0]["id"].as_str().unwrap()).status, 204);
}

#[test]
fn a_client_enrolls_what_it_has_the_grant_for() {
    let directory = std::sync::Arc::new(common::Directory::new());
    let add = |id: &str, grant: &str| {
        let arguments = ["clients", "add", id, "--public", "--grant", "password", "--grant", grant];
        let output = common::run(directory.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let server = Server::start_in(&directory, &["--policy", "auth0"]);
    add("by-mail", "mfa-oob");
    add("by-app", "mfa-otp");
    let sign_in = |client: &str| {
        let body = json!({
            "grant_type": "password", "username": "user@example.com", "password": common::PASSWORD, "client_id": client,
        });
        server.post("/oauth/token", &body).body["mfa_token"].as_str().unwrap().to_owned()
    };
    let (by_mail, by_app) = (sign_in("by-mail"), sign_in("by-app"));
    let refused = "Grant type not allowed for the client.";
    associate(&server, &by_mail).is_refused(403, "unauthorized_client", refused);
    server.associate(&by_app, "user@example.com").is_refused(403, "unauthorized_client", refused);
    let associated = associate(&server, &by_app);
    let app = App::scan(&associated);
    let body = json!({ "grant_type": OTP, "client_id": "by-app", "mfa_token": by_app, "otp": app.code(0) });
    assert_eq!(server.post("/oauth/token", &body).status, 200);
    // A client that cannot answer with an app is not asked to.
    let challenge = |client: &str| {
        let body = json!({ "client_id": client, "mfa_token": sign_in(client) });
        server.post("/mfa/challenge", &body)
    };
    assert_eq!(challenge("by-app").body["challenge_type"], "otp");
    challenge("by-mail").is_refused(
        400,
        "unsupported_challenge_type",
        "None of the requested challenge types is available to the user.",
    );
}

#[test]
fn the_page_gets_a_key_uri_drawn_and_nothing_else() {
    let server = server();
    let token = server.mfa_token();
    let associated = associate(&server, &token);
    let drawn = server.post("/demo/barcode", &json!({ "text": associated.body["barcode_uri"] }));
    assert_eq!((drawn.status, drawn.header("content-type")), (200, Some("image/svg+xml")));
    assert!(drawn.text.contains("<svg") && drawn.text.contains("<path"), "{}", drawn.text);
    assert!(!drawn.text.contains(associated.body["secret"].as_str().unwrap()));
    for text in
        ["https://example.com/".to_owned(), format!("otpauth://{}", "x".repeat(4_000)), "x".repeat(5_000)]
    {
        assert_eq!(server.post("/demo/barcode", &json!({ "text": text })).status, 400);
    }
    let about = Server::with(&["--demo=false"]);
    let refused = about.post("/demo/barcode", &json!({ "text": "otpauth://totp/a:b" }));
    assert_eq!(refused.status, 404, "{}", refused.text);
}

/// Whoever enrolls while the account is guessed at is told, with the secret, that four codes confirm it.
#[test]
fn while_an_enrollment_is_guessed_at_four_codes_confirm_it() {
    let server = Server::with(&["--policy", "default"]);
    let told =
        |reply: &Reply| (reply.body.get("otp_codes").cloned(), reply.body.get("otp_description").cloned());
    for _ in 0..2 {
        let token = server.mfa_token();
        let associated = associate(&server, &token);
        assert_eq!((associated.status, told(&associated)), (200, (None, None)), "{}", associated.text);
        let app = App::scan(&associated);
        for left in (0..5).rev() {
            assert_eq!(present(&server, &token, &app.wrong()).body["attempts_left"], left);
        }
    }
    let token = server.mfa_token();
    let associated = associate(&server, &token);
    let in_words = json!("The otp is four codes that follow each other, separated by spaces.");
    assert_eq!(told(&associated), (Some(json!(4)), Some(in_words)), "{}", associated.text);
    let reply = present(&server, &token, &App::scan(&associated).code(0));
    let asked = "Invalid otp_code. Enter four codes that follow each other, separated by spaces.";
    reply.is_refused(403, "invalid_grant", asked);
}

/// Whoever is guessed at is asked for four codes at once, in words that a client can show. A wrong four is
/// counted nowhere. (That four right ones sign in takes two minutes: `tests/it/four_codes.rs` has it.)
#[test]
fn while_the_account_is_guessed_at_four_codes_are_wanted() {
    let server = Server::with(&["--policy", "default"]);
    let token = server.mfa_token();
    let app = App::scan(&associate(&server, &token));
    assert_eq!(present(&server, &token, &app.code(0)).status, 200);
    for _ in 0..2 {
        let token = server.mfa_token();
        for left in (0..5).rev() {
            let reply = present(&server, &token, &app.wrong());
            assert_eq!((reply.status, &reply.body["attempts_left"]), (403, &json!(left)), "{}", reply.text);
        }
    }
    let token = server.mfa_token();
    let body = json!({ "mfa_token": token, "challenge_type": "otp" });
    let challenged = server.post("/mfa/challenge", &as_demo(&body));
    assert_eq!((challenged.status, &challenged.body["otp_codes"]), (200, &json!(4)), "{}", challenged.text);
    assert!(challenged.body["otp_description"].as_str().unwrap().contains("four codes"));
    let reply = present(&server, &token, &app.wrong());
    let told = "Invalid otp_code. Enter four codes that follow each other, separated by spaces.";
    assert_eq!((reply.status, &reply.body["error_description"]), (403, &json!(told)), "{}", reply.text);
    for _ in 0..20 {
        let reply = present(&server, &token, &[(); 4].map(|()| app.wrong()).join(" "));
        assert_eq!((reply.status, &reply.body["error_description"]), (403, &json!("Invalid otp_code.")));
        assert_eq!(reply.body.get("attempts_left"), None, "{}", reply.text);
    }
}
