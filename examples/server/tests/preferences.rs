//! Names of authenticators and the preferred one, over HTTP: who may, what a list and an administrator are shown, and who
//! is asked first.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{MFA_SCOPE, Reply, Server, Value, as_demo, json, run};

const ONE_OF_THEM: &str = "Exactly one of the parameters name and preferred must be given.";

fn update(server: &Server, token: &str, id: &Value, body: &Value) -> Reply {
    let path = format!("/mfa/authenticators/{}", id.as_str().unwrap().replace('|', "%7C"));
    let bearer = format!("Bearer {token}");
    let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
    server.send("PATCH", &path, &headers, &body.to_string())
}

/// The demonstration's user with a second address, whose name came with its enrollment, and a token that may change both.
fn with_two(server: &Server) -> (String, Value, Value) {
    server.enroll();
    let token = server.elevated(MFA_SCOPE);
    let count = server.codes().len();
    let body = json!({
        "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "second@example.com", "name": "work mail",
    });
    let associated = server.post_as("/mfa/associate", &token, &body);
    assert_eq!(associated.status, 200, "{}", associated.text);
    let code = server.code(count + 1);
    let confirmed = server.answer(&token, &associated.body["oob_code"], &code);
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let listed = server.list(&token).body;
    assert_eq!((&listed[0]["name"], listed[0].get("destination")), (&json!("****@exam*******"), None));
    assert_eq!(
        (&listed[1]["name"], &listed[1]["destination"]),
        (&json!("work mail"), &json!("seco**@exam*******"))
    );
    (token, listed[0]["id"].clone(), listed[1]["id"].clone())
}

/// Whom a challenge that names nobody writes to.
fn asked(server: &Server) -> String {
    let count = server.codes().len();
    let challenged = server.challenge(&server.mfa_token());
    assert_eq!(challenged.status, 200, "{}", challenged.text);
    server.code(count + 1);
    server.codes()[0].0.clone()
}

#[test]
fn a_user_names_what_they_have_and_says_what_is_asked_first() {
    let server = Server::start();
    let (token, first, second) = with_two(&server);
    let renamed = update(&server, &token, &first, &json!({ "name": "\u{202e}home" }));
    assert_eq!((renamed.status, renamed.text.as_str()), (204, ""));
    assert_eq!(update(&server, &token, &second, &json!({ "name": null })).status, 204);
    let listed = server.list(&token).body;
    assert_eq!(listed[0]["name"], "\u{202e}home");
    assert_eq!((&listed[1]["name"], listed[1].get("destination")), (&json!("seco**@exam*******"), None));
    let audit = server.expect_audit("rename");
    assert_eq!((&audit["denial"], &audit["authenticator"]), (&Value::Null, &first));
    assert!(!server.log_mentions("home"), "what a user calls something is in the log");

    assert_eq!(update(&server, &token, &first, &json!({ "preferred": true })).status, 204);
    assert_eq!(asked(&server), "user@example.com");
    assert_eq!(update(&server, &token, &second, &json!({ "preferred": false })).status, 204);
    let preferred = |listed: &Value, place: usize| listed[place].get("preferred").cloned();
    let listed = server.list(&token).body;
    assert_eq!((preferred(&listed, 0), preferred(&listed, 1)), (Some(json!(true)), None), "it was another");
    assert_eq!(update(&server, &token, &second, &json!({ "preferred": true })).status, 204);
    assert_eq!(asked(&server), "second@example.com");
    let listed = server.list(&token).body;
    assert_eq!((preferred(&listed, 0), preferred(&listed, 1)), (None, Some(json!(true))));

    // An administrator sees both, and no character that turns the line around.
    let shown = run(server.directory().path(), &["users", "show", "user@example.com"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(r#""\u{202e}home""#) && !shown.contains('\u{202e}'), "{shown}");
    assert_eq!(shown.matches("asked first").count(), 1, "{shown}");
    let told = run(server.directory().path(), &["users", "show", "user@example.com", "--json"]);
    assert!(
        !String::from_utf8_lossy(&told.stdout).contains('\u{202e}'),
        "nor does the JSON turn a terminal's line around"
    );
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let rows = &told["authenticators"];
    assert_eq!((&rows[0]["name"], &rows[0]["preferred"]), (&json!("\u{202e}home"), &json!(false)));
    assert_eq!((&rows[1]["name"], &rows[1]["preferred"]), (&Value::Null, &json!(true)));

    assert_eq!(update(&server, &token, &second, &json!({ "preferred": false })).status, 204);
    let listed = server.list(&token).body;
    assert_eq!((preferred(&listed, 0), preferred(&listed, 1)), (None, None));
}

#[test]
fn what_cannot_be_changed_is_said() {
    let server = Server::start();
    let (token, first, _) = with_two(&server);
    let long = "n".repeat(129);
    let invalid = "The name is longer than 128 bytes or has a control character.";
    for (body, description) in [
        (json!({}), ONE_OF_THEM),
        (json!({ "name": "a", "preferred": true }), ONE_OF_THEM),
        (json!({ "name": long }), invalid),
        (json!({ "name": "a\u{7}" }), invalid),
    ] {
        update(&server, &token, &first, &body).is_refused(400, "invalid_request", description);
    }
    let rename = json!({ "name": "x" });
    let unknown = "The authenticator was not found.";
    let codes = server.list(&token).body.as_array().unwrap().last().unwrap()["id"].clone();
    for id in [json!("email|dev_0123456789ABCDef"), json!("nothing"), codes] {
        for body in [rename.clone(), json!({ "preferred": true }), json!({ "preferred": false })] {
            update(&server, &token, &id, &body).is_refused(404, "invalid_authenticator", unknown);
        }
    }
    update(&server, "nothing", &first, &json!({})).is_refused(
        401,
        "invalid_grant",
        "The mfa_token provided is invalid. Try getting a new token.",
    );

    // A password alone changes nothing, and neither does a token without the scope.
    let scope = "Insufficient scope, expected: enroll";
    for other in [server.mfa_token(), server.elevated("read:authenticators")] {
        for body in [rename.clone(), json!({ "preferred": true })] {
            let refused = update(&server, &other, &first, &body);
            refused.is_refused(403, "insufficient_scope", scope);
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(challenge.contains(r#"scope="enroll""#), "{challenge}");
        }
    }
    let named = json!({ "mfa_token": server.mfa_token(), "authenticator_types": ["otp"], "name": "x\u{0}" });
    let token = server.elevated(MFA_SCOPE);
    server.post_as("/mfa/associate", &token, &as_demo(&named)).is_refused(400, "invalid_request", invalid);
    assert_eq!(server.list(&token).body[0]["name"], "****@exam*******", "nothing was changed");
}
